"""Alembic, called from code: only in development and by the readiness check."""

import logging
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from app.core.errors import UnavailableError

from .database import Database

# Alembic tells at every context what it is; our own line says what was done.
logging.getLogger("alembic").setLevel(logging.WARNING)
logger = structlog.get_logger()

_ROOT = Path(__file__).parents[3]


class SchemaBehindError(UnavailableError):
    code = "database.schema_behind"
    title = "Database schema behind"

    def __init__(self) -> None:
        super().__init__(
            "The database schema is not the one this version needs: run `alembic upgrade head`.",
            retry_after_seconds=30,
        )


def _config() -> Any:  # noqa: ANN401 (alembic is imported late)
    # A third of the service's import time, needed by few processes and never by a request.
    from alembic.config import Config  # noqa: PLC0415

    return Config(_ROOT / "alembic.ini")


async def upgrade(database: Database) -> None:
    from alembic import command  # noqa: PLC0415

    config = _config()

    def run(connection: Connection) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with database.write_engine.begin() as connection:
        await connection.run_sync(run)
    logger.info("the database schema is up to date")


async def check_schema(database: Database) -> None:
    """Raise `SchemaBehindError` where migrations are missing.

    One that this version does not know was made by a newer one, which adds to the schema only what
    this version can do without: it serves until the newer one does, and after going back to it.
    """
    from alembic.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    script = ScriptDirectory.from_config(_config())
    known = {it.revision for it in script.walk_revisions()}

    def current(connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    async with database.read_engine.connect() as connection:
        found = await connection.run_sync(current)
    if found <= known and found != set(script.get_heads()):
        raise SchemaBehindError
