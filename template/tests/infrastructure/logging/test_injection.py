"""What a stranger sends cannot forge a line of the log, nor steer the terminal that shows it."""

import json
import logging

import pytest
import structlog

from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging

pytestmark = pytest.mark.usefixtures("restored_logging")

ATTACKS = (
    "a\n2026-01-01T00:00:00Z [info     ] login_success",
    "a\r\x1b[2Ka",
    "a\x1b[31mred",
    "a\u2028b\x85c\x0bd",
    "a\x00b\ud800",
)


@pytest.mark.parametrize("log_format", list(LogFormat))
@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_value_stays_on_one_printable_line(
    capsys: pytest.CaptureFixture[str], attack: str, log_format: LogFormat
) -> None:
    configure_logging(LogSettings(format=log_format), deployed=True)
    capsys.readouterr()

    structlog.get_logger("test").warning("security event", path=attack, user_agent=attack)
    (line, rest) = capsys.readouterr().out.split("\n")

    assert line.isprintable()
    assert rest == ""


@pytest.mark.parametrize(("log_format", "lines"), [(LogFormat.JSON, 1), (LogFormat.CONSOLE, 2)])
def test_a_message_breaks_lines_for_people_alone(
    capsys: pytest.CaptureFixture[str], log_format: LogFormat, lines: int
) -> None:
    configure_logging(LogSettings(format=log_format), deployed=True)
    capsys.readouterr()

    logging.getLogger("library").warning("no such %s", "thing\x1b[2K\nand another\ud800")
    *written, rest = capsys.readouterr().out.split("\n")

    assert len(written) == lines
    assert all(line.isprintable() for line in written)
    assert rest == ""


def test_json_keeps_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    capsys.readouterr()

    structlog.get_logger("test").warning("security event", path="a\nb\x1b")

    assert json.loads(capsys.readouterr().out)["path"] == "a\nb\x1b"
