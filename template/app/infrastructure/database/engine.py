import sqlite3
from typing import Any, Literal

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .errors import connect_postgresql, translate_outages
from .pool import FairPool
from .settings import DatabaseSettings
from .slow_queries import log_slow_queries

# How long a statement waits for another process that writes to the same SQLite file.
_SQLITE_BUSY_SECONDS = 10


def open_engine(settings: DatabaseSettings, purpose: Literal["read", "write"]) -> AsyncEngine:
    """The engine for one of the two kinds of sessions; it connects when first used.

    A read engine commits each statement by itself: one round trip instead of the three of BEGIN,
    SELECT and ROLLBACK.
    """
    address = settings.read_address if purpose == "read" else settings.write_address
    options: dict[str, Any] = {
        "echo": settings.echo,
        "hide_parameters": not settings.echo,
        "poolclass": FairPool,
        "pool_size": settings.pool_size,
        "max_overflow": settings.max_overflow,
        "pool_timeout": settings.pool_timeout_seconds,
        "pool_recycle": settings.pool_recycle_seconds,
        "connect_args": _connect_args(address, settings),
    }
    if purpose == "read":
        options |= {"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True}
    engine = create_async_engine(address, **options)
    if address.get_backend_name() == "sqlite":
        _prepare_sqlite(engine, begins=purpose == "write")
    elif not settings.prepared_statements and purpose == "write":
        _limit_transactions(engine, settings.server_timeouts)
    if settings.slow_query_seconds:
        log_slow_queries(engine, settings.slow_query_seconds)
    translate_outages(engine)
    return engine


def _connect_args(address: URL, settings: DatabaseSettings) -> dict[str, Any]:
    if address.get_backend_name() == "sqlite":
        return {"timeout": _SQLITE_BUSY_SECONDS}
    arguments: dict[str, Any] = {
        "async_creator_fn": connect_postgresql,
        "timeout": settings.connect_timeout_seconds,
    }
    if settings.prepared_statements:
        # PgBouncer refuses connections that ask for more than it knows.
        arguments["server_settings"] = settings.server_timeouts
    else:
        arguments |= {"prepared_statement_cache_size": 0, "statement_cache_size": 0}
    return arguments


def _limit_transactions(engine: AsyncEngine, timeouts: dict[str, str]) -> None:
    """Where the server's connection is ours for one transaction alone: a round trip for each.

    A statement outside of transactions has nowhere to say so.
    """
    if not timeouts:
        return
    settings = ", ".join(f"set_config('{name}', '{it}', true)" for name, it in timeouts.items())

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Any) -> None:  # noqa: ANN401
        connection.exec_driver_sql(f"SELECT {settings}")


def _prepare_sqlite(engine: AsyncEngine, *, begins: bool) -> None:
    """Make SQLite keep foreign keys, read while it writes, and roll back savepoints."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, _: object) -> None:  # noqa: ANN401 (SQLAlchemy's adapter)
        # The driver would begin transactions by itself, too late for SELECT and SAVEPOINT.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        _write_ahead(cursor)
        cursor.close()

    if begins:

        @event.listens_for(engine.sync_engine, "begin")
        def on_begin(connection: Any) -> None:  # noqa: ANN401
            # At once: a transaction that reads first and writes later fails instead of waiting.
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write_ahead(cursor: Any) -> None:  # noqa: ANN401
    """Let others read while one writes, which the file remembers.

    Of the connections that open a new file at once one changes it; SQLite refuses the others
    without waiting.
    """
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
