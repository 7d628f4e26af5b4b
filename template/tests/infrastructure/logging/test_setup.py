import json
import logging
import sys
from typing import Any

import pytest
import structlog

from app.infrastructure.logging.settings import LogFormat, LogLevel, LogSettings
from app.infrastructure.logging.setup import configure_logging

pytestmark = pytest.mark.usefixtures("restored_logging")

JSON = LogSettings(format=LogFormat.JSON)
CONSOLE = LogSettings(format=LogFormat.CONSOLE)


def fail() -> None:
    address = "ftp://ada:hunter2@host"
    raise ConnectionError(f"{address} refused")


@pytest.fixture
def stdout(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    """What is written from now on."""
    capsys.readouterr()
    return capsys


def lines(stdout: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = stdout.readouterr()
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


class TestJson:
    def test_is_one_object_on_a_line(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(JSON, deployed=False)
        with structlog.contextvars.bound_contextvars(request_id="request-0001"):
            structlog.get_logger("test").info("several\nlines", number=7, path="/a b")

        (line,) = lines(stdout)
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "several\nlines",
            "level": "info",
            "number": 7,
            "path": "/a b",
            "request_id": "request-0001",
        }

    def test_has_the_lines_of_libraries_too(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(JSON, deployed=False)
        with structlog.contextvars.bound_contextvars(request_id="request-0001"):
            logging.getLogger("library").warning("%d left", 7, extra={"colour": "red"})

        (line,) = lines(stdout)
        assert line.pop("timestamp").endswith("Z")
        assert line == {
            "event": "7 left",
            "level": "warning",
            "logger": "library",
            "colour": "red",
            "request_id": "request-0001",
        }

    @pytest.mark.parametrize("name", ["httpx2", "httpcore2.http11"])
    def test_has_no_lines_of_http_libraries_with_whole_addresses(
        self, stdout: pytest.CaptureFixture[str], name: str
    ) -> None:
        configure_logging(LogSettings(format=LogFormat.JSON, level=LogLevel.DEBUG), deployed=False)
        logging.getLogger(name).info("GET https://example.com/?key=hunter2")
        logging.getLogger(name).warning("slow")

        assert [line["event"] for line in lines(stdout)] == ["slow"]

    def test_has_the_traceback_without_its_secrets(
        self, stdout: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging(JSON, deployed=False)
        logger = structlog.get_logger("test")
        try:
            fail()
        except ConnectionError:
            logger.exception("no queue", password="hunter2", token="hunter2")
            logging.getLogger("library").exception("no %s", "queue")

        own, foreign = lines(stdout)
        for line in (own, foreign):
            assert line["event"] == "no queue"
            assert line["level"] == "error"
            assert line["exception"].startswith("Traceback (most recent call last):\n")
            assert line["exception"].endswith("ConnectionError: ftp://ada:[redacted]@host refused")
            assert "hunter2" not in json.dumps(line)
        assert own["password"] == own["token"] == "[redacted]"


class TestConsole:
    def test_is_a_line_for_people(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(CONSOLE, deployed=True)
        structlog.get_logger("test").info("ready", number=7, password="hunter2")
        logging.getLogger("library").warning("slow")
        first, second = stdout.readouterr().out.splitlines()

        assert "[info     ] ready" in first
        assert "number=7" in first
        assert "password=[redacted]" in first
        assert "[warning  ] slow" in second
        assert "[library]" in second
        assert "\x1b" not in first + second

    def test_has_plain_tracebacks_without_variables(
        self, stdout: pytest.CaptureFixture[str]
    ) -> None:
        configure_logging(CONSOLE, deployed=False)
        try:
            fail()
        except ConnectionError:
            structlog.get_logger("test").exception("no queue")
        out, err = stdout.readouterr()

        assert err == ""
        assert "Traceback (most recent call last):" in out
        assert "ftp://ada:[redacted]@host refused" in out
        assert "hunter2" not in out


class TestFormat:
    @pytest.mark.parametrize(
        ("chosen", "deployed", "is_json"),
        [
            (None, True, True),
            (None, False, False),
            (LogFormat.CONSOLE, True, False),
            (LogFormat.JSON, False, True),
        ],
    )
    def test_is_json_where_deployed_unless_chosen(
        self,
        stdout: pytest.CaptureFixture[str],
        chosen: LogFormat | None,
        *,
        deployed: bool,
        is_json: bool,
    ) -> None:
        configure_logging(LogSettings(format=chosen), deployed=deployed)
        structlog.get_logger("test").info("ready")

        assert stdout.readouterr().out.startswith("{") is is_json


class TestLevel:
    @pytest.mark.parametrize(
        ("level", "expected"),
        [
            (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
            (LogLevel.INFO, ["info", "warning", "error"]),
            (LogLevel.WARNING, ["warning", "error"]),
            (LogLevel.ERROR, ["error"]),
        ],
    )
    def test_leaves_out_what_is_below(
        self, stdout: pytest.CaptureFixture[str], level: LogLevel, expected: list[str]
    ) -> None:
        configure_logging(LogSettings(level=level, format=LogFormat.JSON), deployed=True)
        own, foreign = structlog.get_logger("test"), logging.getLogger("library")
        for logger in (own, foreign):
            for name in ("debug", "info", "warning", "error"):
                getattr(logger, name)("event")

        assert [line["level"] for line in lines(stdout)] == expected * 2


class TestUvicorn:
    @pytest.fixture(autouse=True)
    def _uvicorn(self) -> None:
        """As uvicorn leaves them when it configures logging itself."""
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
            logger = logging.getLogger(name)
            logger.handlers = [logging.StreamHandler(sys.stderr)]
            logger.propagate = False
            logger.setLevel(logging.INFO)

    def test_writes_in_our_format(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(JSON, deployed=True)
        logging.getLogger("uvicorn.error").info(
            "Started [%d]", 7, extra={"color_message": "\x1b[36mStarted\x1b[0m"}
        )

        (line,) = lines(stdout)
        del line["timestamp"]
        assert line == {"event": "Started [7]", "level": "info", "logger": "uvicorn.error"}

    def test_does_not_repeat_our_access_line(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(JSON, deployed=True)
        logging.getLogger("uvicorn.access").info("GET / 200")

        assert lines(stdout) == []


class TestRepetition:
    def test_does_not_double_lines(self, stdout: pytest.CaptureFixture[str]) -> None:
        configure_logging(JSON, deployed=True)
        configure_logging(JSON, deployed=True)
        structlog.get_logger("test").info("once")

        assert len(lines(stdout)) == 1
