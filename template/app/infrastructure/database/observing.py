"""Telling of statements, where anybody wants to know."""

import re
from functools import lru_cache
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.operations import Operation, Operations

_VERB = re.compile(r"\s*(\w+)")
# Close enough for a name: the first table, or the first one that is written to.
_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+([\w.\"]+)", re.IGNORECASE)


def tell_of_statements(engine: AsyncEngine, operations: Operations) -> None:
    """Statements go as they are sent, with places for their values; the values do not."""
    about = {"db.system.name": engine.dialect.name, "db.namespace": engine.url.database or ""}
    if engine.url.host:
        about["server.address"] = engine.url.host

    # A service has some hundreds, which it sends again and again.
    @lru_cache(maxsize=1000)
    def operation(statement: str) -> Operation:
        summary = _summary(statement)
        attributes = {**about, "db.query.summary": summary, "db.query.text": statement}
        return Operation(summary, attributes)

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(
        _: object,
        __: object,
        statement: str,
        ___: object,
        context: Any,  # noqa: ANN401 (its own attributes, and ours)
        ____: object,
    ) -> None:
        context.observation = operations.begin(operation(statement))

    @event.listens_for(engine.sync_engine, "after_cursor_execute")
    def end(
        _: object,
        __: object,
        ___: object,
        ____: object,
        context: Any,  # noqa: ANN401
        _____: object,
    ) -> None:
        _end(context)

    @event.listens_for(engine.sync_engine, "handle_error")
    def fail(failure: ExceptionContext) -> None:
        _end(failure.execution_context, type(failure.original_exception).__name__)


def _end(context: Any, error: str | None = None) -> None:  # noqa: ANN401
    # Also called for what is no statement.
    observation = getattr(context, "observation", None)
    if observation is not None:
        context.observation = None
        observation.end(error)


def _summary(statement: str) -> str:
    """`SELECT account`: few different ones, however many statements there are."""
    verb, table = _VERB.match(statement), _TABLE.search(statement)
    parts = (verb[1].upper() if verb else "SQL", table[1].replace('"', "") if table else "")
    return " ".join(filter(None, parts))
