import logging

import pytest
import structlog
from structlog.typing import EventDict

from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.logging.watching import watching

pytestmark = pytest.mark.usefixtures("restored_logging")


def test_shows_every_line_with_its_exception(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=False)
    ours, error = structlog.get_logger("test"), LookupError("no")
    seen: list[EventDict] = []

    def watch(line: EventDict) -> None:
        seen.append(dict(line))
        line["seen"] = len(seen)

    ours.info("before")
    with watching(watch):
        ours.error("ours", exc_info=error)
        logging.getLogger("library").warning("theirs")
    ours.info("after")

    assert [line["event"] for line in seen] == ["ours", "theirs"]
    assert seen[0]["exc_info"] is error
    written = capsys.readouterr().out.splitlines()
    assert ['"seen"' in line for line in written] == [False, True, True, False]
