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


class StatementTimeoutError(UnavailableError):
    code = "database.statement_timeout"
    title = "Database too slow"

    def __init__(self) -> None:
        super().__init__("The database took too long and gave up.", retry_after_seconds=5)


class DatabaseLockedError(UnavailableError):
    code = "database.locked"
    title = "Database locked"

    def __init__(self) -> None:
        super().__init__(
            "Somebody else is changing the same data; it did not become free in time.",
            retry_after_seconds=1,
        )


# https://www.postgresql.org/docs/current/errcodes-appendix.html
_ERRORS_BY_SQLSTATE: dict[str, type[StatementTimeoutError | DatabaseLockedError]] = {
    "57014": StatementTimeoutError,
    "55P03": DatabaseLockedError,
    # Two transactions wait for each other: the server ends one of them.
    "40P01": DatabaseLockedError,
}

# An exception of a driver can carry the address and the parameters; its class name cannot.
_CONNECT_ERRORS = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def connect_postgresql(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (asyncpg's own)
    """`asyncpg.connect`, whose many ways to fail become one."""
    try:
        return await asyncpg.connect(*args, **kwargs)
    except asyncpg.ProtocolViolationError as exc:
        raise DatabaseUnreachableError(_refusal(str(exc))) from exc
    except _CONNECT_ERRORS as exc:
        raise DatabaseUnreachableError(type(exc).__name__) from exc


def _refusal(message: str) -> str:
    """`unsupported startup parameter: statement_timeout`."""
    if "startup parameter" not in message:
        return "ProtocolViolationError"
    return (
        "a PgBouncer in between takes no timeouts: set DATABASE_PREPARED_STATEMENTS=false, or let "
        "it ignore these startup parameters"
    )


def translate_outages(engine: AsyncEngine) -> None:
    """Raise one of the errors above where a statement fails through no fault of its own."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        original = context.original_exception
        if not isinstance(original, Exception):
            # Cancelled: whoever did that wants it to arrive.
            return
        text = str(original)
        sqlstate = getattr(original, "sqlstate", None) or ""
        if (timeout := _ERRORS_BY_SQLSTATE.get(sqlstate)) is not None:
            raise timeout from original
        if "is locked" in text:
            raise DatabaseLockedError from original
        if context.is_disconnect or "unable to open" in text:
            raise DatabaseUnreachableError(type(original).__name__) from original


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
