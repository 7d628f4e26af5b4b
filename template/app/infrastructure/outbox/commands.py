"""`python -m app.cli outbox ...`."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from app.core.commands import fail, run_job, run_worker
from app.core.feature import State
from app.infrastructure.timing.waiting import when_told_to_stop

from .models import OutboxMessage
from .relay import relay_of
from .settings import OutboxSettings
from .store import Backlog, backlog, refused, remove

# Enough to see what is wrong.
_SHOWN = 20


def build_commands(settings: OutboxSettings) -> typer.Typer:
    commands = typer.Typer(help="Background tasks on their way out.", no_args_is_help=True)

    @commands.command()
    def status(context: typer.Context) -> None:
        """Tell how many wait and how long; fail if it is too long."""
        found, rows = run_job(context, _status)
        seconds = 0.0 if found.oldest is None else found.oldest.total_seconds()
        typer.echo(f"{found.waiting} waiting, the oldest for {seconds:.0f} s.")
        for row in rows:
            typer.echo(_line(row))
        if seconds > settings.stuck_after_seconds:
            raise typer.Exit(1)

    @commands.command()
    def relay(context: typer.Context) -> None:
        """Send what waits, until stopped. A process that serves does so itself."""
        run_worker(context, _relay)

    @commands.command()
    def drop(
        context: typer.Context, ids: Annotated[list[UUID], typer.Argument(metavar="ID...")]
    ) -> None:
        """Forget those that can never be sent. Nobody does them then."""

        async def run(state: State) -> int:
            async with state["database"].transaction() as session:
                return await remove(session, set(ids))

        count = run_job(context, run)
        typer.echo(f"{count} dropped.")
        if count < len(set(ids)):
            fail("The others are not there.")

    return commands


async def _status(state: State) -> tuple[Backlog, list[OutboxMessage]]:
    async with state["database"].reading() as session:
        found = await backlog(session, datetime.now(UTC))
        return found, list(await refused(session, limit=_SHOWN))


def _line(row: OutboxMessage) -> str:
    # Not the payload: it is personal data, perhaps.
    at = row.stored_at.isoformat(timespec="seconds")
    return f"{row.id}  {at}  {row.message.get('name')}  {row.error}  attempts={row.attempts}"


async def _relay(state: State) -> None:
    stopped = asyncio.Event()
    when_told_to_stop(stopped.set)
    async with relay_of(state).running():
        await stopped.wait()
