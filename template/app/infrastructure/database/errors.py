"""What the rest of the service gets to see of a failing database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
from sqlalchemy import UniqueConstraint, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.errors import DomainError, UnavailableError

from .base import Base


class DatabaseUnreachableError(UnavailableError):
    code = "database.unreachable"
    title = "Database unreachable"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The database cannot be reached ({reason}). Is it running, and is DATABASE_URL right?",
            retry_after_seconds=5,
        )


class DatabaseBusyError(UnavailableError):
    code = "database.busy"
    title = "Database busy"

    def __init__(self) -> None:
        super().__init__("No database connection became free in time.", retry_after_seconds=1)


# An exception of a driver can carry the address and the parameters; its class name cannot.
_CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def connect_postgresql(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (asyncpg's own)
    """`asyncpg.connect`, whose many ways to fail become one."""
    try:
        return await asyncpg.connect(*args, **kwargs)
    except _CONNECT_ERRORS as exc:
        raise DatabaseUnreachableError(type(exc).__name__) from exc


def translate_disconnects(engine: AsyncEngine) -> None:
    """Raise `DatabaseUnreachableError` where a connection is lost during a statement."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        text = str(context.original_exception)
        if context.is_disconnect or "unable to open" in text or "is locked" in text:
            reason = type(context.original_exception).__name__
            raise DatabaseUnreachableError(reason) from context.original_exception


@contextmanager
def translate_violations(**errors: DomainError) -> Iterator[None]:
    """Raise the error named after the unique constraint or index that the block violates.

    The index decides, so two concurrent requests cannot both pass a check-then-insert. A violation
    of any other constraint is a defect and propagates.
    """
    try:
        yield
    except IntegrityError as exc:
        error = errors.get(violated_constraint(exc) or "")
        if error is None:
            raise
        raise error from exc


def violated_constraint(exc: IntegrityError) -> str | None:
    """The name of the violated constraint, where the database tells which it was."""
    if name := getattr(exc.driver_exception, "constraint_name", None):
        return str(name)
    # SQLite names the columns of a unique constraint, and the name of a check.
    message = str(exc.orig)
    if match := re.fullmatch(r"UNIQUE constraint failed: (.+)", message):
        return _unique_over(frozenset(match[1].split(", ")))
    if match := re.fullmatch(r"CHECK constraint failed: (\w+)", message):
        return match[1]
    return None


def _unique_over(columns: frozenset[str]) -> str | None:
    for table in Base.metadata.tables.values():
        unique: list[Any] = [index for index in table.indexes if index.unique]
        unique += [item for item in table.constraints if isinstance(item, UniqueConstraint)]
        for item in unique:
            if columns == {f"{table.name}.{column.name}" for column in item.columns}:
                return str(item.name)
    return None
