"""`python -m app.cli celery ...`."""

from typing import Annotated
from uuid import UUID

import typer

from app.core.commands import fail, run_job
from app.core.feature import State
from app.infrastructure.database.database import Database

from .dead_letters import drop as drop_letter
from .dead_letters import listed
from .models import DeadLetter
from .queue import task_queue_of
from .settings import BEAT, WORKER, CelerySettings
from .tasks import TaskMessage

Ids = Annotated[list[UUID] | None, typer.Argument(metavar="ID...")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def build_commands(settings: CelerySettings) -> typer.Typer:
    commands = typer.Typer(help="Background tasks.", no_args_is_help=True)
    letters = typer.Typer(help="Tasks that have failed for good.", no_args_is_help=True)
    commands.add_typer(letters, name="dead-letters")

    @commands.command()
    def worker_health() -> None:
        """Fail unless a worker of this container is alive, for the probes of containers."""
        _require_life(settings, WORKER)

    @commands.command()
    def beat_health() -> None:
        """Fail unless the beat of this container is alive."""
        _require_life(settings, BEAT)

    @letters.command(name="list")
    def list_letters(context: typer.Context) -> None:
        """Show them, the oldest first."""
        for letter in run_job(context, _listed):
            typer.echo(_line(letter))

    @letters.command()
    def requeue(context: typer.Context, ids: Ids = None, *, everything: All = False) -> None:
        """Send them again, once what made them fail is mended."""
        _each(context, ids, everything=everything, is_requeued=True)

    @letters.command()
    def drop(context: typer.Context, ids: Ids = None, *, everything: All = False) -> None:
        """Forget them."""
        _each(context, ids, everything=everything, is_requeued=False)

    return commands


def _require_life(settings: CelerySettings, name: str) -> None:
    if not settings.heartbeat(name).is_alive:
        fail(f"No sign of life of a {name}.")


def _line(letter: DeadLetter) -> str:
    # Not the payload: it is personal data, perhaps.
    at = letter.failed_at.isoformat(timespec="seconds")
    return f"{letter.id}  {at}  {letter.name}  {letter.error}  attempts={letter.attempts}"


async def _listed(state: State) -> list[DeadLetter]:
    async with state["database"].reading() as session:
        return list(await listed(session))


def _each(
    context: typer.Context, ids: list[UUID] | None, *, everything: bool, is_requeued: bool
) -> None:
    if bool(ids) == everything:
        typer.echo("Name the ids, or say --all.", err=True)
        raise typer.Exit(2)

    async def run(state: State) -> set[UUID]:
        letters = {letter.id: letter for letter in await _listed(state)}
        chosen = set(letters) if everything else set(ids or ()) & letters.keys()
        for letter_id in chosen:
            await _remove(state, letters[letter_id], is_requeued=is_requeued)
        return chosen

    found = run_job(context, run)
    typer.echo(f"{len(found)} {'requeued' if is_requeued else 'dropped'}.")
    if missing := set(ids or ()) - found:
        fail(f"Not found: {', '.join(map(str, sorted(missing)))}")


async def _remove(state: State, letter: DeadLetter, *, is_requeued: bool) -> None:
    database: Database = state["database"]
    async with database.transaction() as session:
        # First: a worker that is quick to fail again waits for the commit.
        if await drop_letter(session, letter.id) and is_requeued:
            await task_queue_of(state).send(TaskMessage.model_validate(letter.message))
