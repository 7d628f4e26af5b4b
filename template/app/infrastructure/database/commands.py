"""`python -m app.cli db ...`."""

import asyncio
import os

import typer
from sqlalchemy import text

from app.core.commands import fail, run_job
from app.core.feature import State
from app.infrastructure.serving.workers import workers_allowed

from .database import Database
from .migrations import upgrade as upgrade_schema
from .purge import purge as delete_expired
from .settings import DatabaseSettings

# What an owner needs to look into a database that is out of connections.
_RESERVE = 10


def build_commands(settings: DatabaseSettings) -> typer.Typer:
    commands = typer.Typer(help="The database.", no_args_is_help=True)

    @commands.command()
    def connections(workers: int | None = None) -> None:
        """Compare what this service may open with what the server allows."""
        _compare(settings, workers or int(os.environ.get("WEB_CONCURRENCY") or workers_allowed()))

    @commands.command()
    def upgrade() -> None:
        """Bring the schema to the newest migration, as `alembic upgrade head` does."""
        asyncio.run(_upgrade(settings.for_migrations))

    @commands.command()
    def purge(context: typer.Context) -> None:
        """Delete what has expired. A running service does so by itself once a day."""

        async def run(state: State) -> dict[str, int]:
            return await delete_expired(state["database"], state["extensions"])

        counts = run_job(context, run)
        for name, count in counts.items():
            typer.echo(f"{name}: {count}")
        if not counts:
            typer.echo("No feature stores anything that expires.")

    return commands


def _compare(settings: DatabaseSettings, count: int) -> None:
    allowed = asyncio.run(_allowed(settings))
    if allowed is None:
        typer.echo("SQLite has no limit on connections.")
        return
    needed = count * settings.connections * 2
    typer.echo(
        f"{count} worker(s) x ({settings.pool_size} + {settings.max_overflow}) x 2 engines = "
        f"{needed} connections; the server allows {allowed}, {_RESERVE} are kept in reserve."
    )
    if needed > allowed - _RESERVE:
        fail(
            "Too many: lower DATABASE_POOL_SIZE, DATABASE_MAX_OVERFLOW or WEB_CONCURRENCY, "
            "raise max_connections, or put PgBouncer in front."
        )


async def _allowed(settings: DatabaseSettings) -> int | None:
    if settings.is_embedded:
        return None
    database = Database(settings)
    try:
        async with database.reading() as session:
            return int(await session.scalar(text("SHOW max_connections")) or 0)
    finally:
        await database.aclose()


async def _upgrade(settings: DatabaseSettings) -> None:
    database = Database(settings)
    try:
        await upgrade_schema(database)
    finally:
        await database.aclose()
