from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any

import structlog
from greenlet import getcurrent  # type: ignore[import-untyped]  # SQLAlchemy brings it
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

logger = structlog.get_logger()

_ROOT = Path(__file__).parents[3]
_OWN = f"{_ROOT}/"
# What is always there, and says nothing about who asked.
_HERE = f"{Path(__file__).parent}/"
_ORIGINS = 3
# A list of a thousand ids is as long.
_MOST_CHARACTERS = 2000


def log_slow_queries(engine: AsyncEngine, threshold_seconds: float) -> None:
    """Warn of statements that take longer, with the lines of our own code that led to them.

    A statement appears without its parameters. The time is that until its rows were here: what else
    the event loop did meanwhile is part of it.
    """

    def note_start(*arguments: Any) -> None:  # noqa: ANN401 (the event's)
        arguments[4].slow_query_started = perf_counter()

    def note_end(*arguments: Any) -> None:  # noqa: ANN401
        seconds = perf_counter() - arguments[4].slow_query_started
        if seconds >= threshold_seconds:
            _log(arguments[2], seconds)

    def note_failure(context: ExceptionContext) -> None:
        started = getattr(context.execution_context, "slow_query_started", None)
        if started is None or context.statement is None:
            return
        seconds = perf_counter() - started
        if seconds >= threshold_seconds:
            _log(context.statement, seconds, error=type(context.original_exception).__name__)

    event.listen(engine.sync_engine, "before_cursor_execute", note_start)
    event.listen(engine.sync_engine, "after_cursor_execute", note_end)
    # Those that are given up are the slowest of all.
    event.listen(engine.sync_engine, "handle_error", note_failure)


def _log(statement: str, seconds: float, **members: str) -> None:
    logger.warning(
        "slow query",
        duration_ms=round(seconds * 1000, 2),
        statement=statement[:_MOST_CHARACTERS],
        origin=list(islice(_own_lines(), _ORIGINS)),
        **members,
    )


def _own_lines() -> Iterator[str]:
    """`app/modules/order/crud.py:17 list_page`, the innermost first."""
    for frame in _frames():
        file = frame.f_code.co_filename
        if file.startswith(_OWN) and "site-packages" not in file and not file.startswith(_HERE):
            yield f"{file.removeprefix(_OWN)}:{frame.f_lineno} {frame.f_code.co_name}"


def _frames() -> Iterator[FrameType]:
    """The stack of this greenlet is SQLAlchemy's; the one that awaits it is its parent's."""
    greenlet: Any = getcurrent()
    while (greenlet := greenlet.parent) is not None:
        frame = greenlet.gr_frame
        while frame is not None:
            yield frame
            frame = frame.f_back
