import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .redaction import redact
from .settings import LogFormat, LogSettings
from .watching import show

# uvicorn gives each of these handlers of its own; its access lines would repeat ours.
_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")
# They write whole addresses, with the tokens in their queries, and at debug level all headers.
_TALKATIVE = ("httpx2", "httpcore2")


def configure_logging(settings: LogSettings, *, deployed: bool) -> None:
    """Send everything, libraries and uvicorn included, to standard output in one format.

    Changes the process's loggers: entry points call it, nothing else.
    """
    chosen = settings.format or (LogFormat.JSON if deployed else LogFormat.CONSOLE)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[Processor] = [
        show,
        # As plain text, for both: richer tracebacks print local variables, passwords too.
        structlog.processors.format_exc_info,
        redact,
        *_rendering(chosen),
    ]
    # Our own lines do not go through `logging`, which would double what a line costs.
    structlog.configure(
        processors=[*shared, *rendering],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(_number(settings)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *shared,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _without_colors,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_number(settings))
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = name != "uvicorn.access"
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def _without_colors(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drop what uvicorn adds for its own formatter: the message again, with colour codes."""
    event.pop("color_message", None)
    return event


def _number(settings: LogSettings) -> int:
    return logging.getLevelNamesMapping()[settings.level.upper()]


def _rendering(chosen: LogFormat) -> list[Processor]:
    if chosen is LogFormat.JSON:
        return [structlog.processors.JSONRenderer()]
    return [_escape, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def _escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Let no value forge a line or steer the terminal; JSON escapes by itself.

    Messages and tracebacks keep their line breaks, for people to read.
    """
    several_lines = ("event", "exception")
    return {
        name: _printable(value, "\n" if name in several_lines else "")
        for name, value in event.items()
    }


def _printable(value: object, allowed: str) -> object:
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        character
        if character.isprintable() or character in allowed
        else character.encode("unicode_escape").decode()
        for character in value
    )
