"""`python -m app.cli events ...`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
import typer
from redis import RedisError
from redis.asyncio import Redis

from app.core.commands import fail, run_job, run_worker
from app.core.feature import State
from app.infrastructure.heartbeat.heartbeat import Heartbeat
from app.infrastructure.redis.clients import redis_clients_of
from app.infrastructure.redis.settings import RedisSettings
from app.infrastructure.timing.waiting import when_told_to_stop

from .consumer import HEARTBEAT, Consumer, Keys, dead_letters_of
from .dead_letters import DeadLetter
from .settings import EventsSettings

logger = structlog.get_logger()

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID...")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def build_commands(settings: EventsSettings, redis: RedisSettings) -> typer.Typer:
    commands = typer.Typer(help="Events of this and other services.", no_args_is_help=True)
    commands.add_typer(_letter_commands(settings), name="dead-letters")

    @commands.command()
    def consume(context: typer.Context) -> None:
        """Handle the public events of the sources until told to stop by SIGTERM."""

        async def job(state: State, server: Redis, keys: Keys) -> None:
            # Less than the client waits for any answer.
            block_seconds = redis.timeout_seconds / 2
            consumer = Consumer(state, server, keys, settings, block_seconds=block_seconds)
            when_told_to_stop(consumer.stop)
            logger.info("consumer started", sources=consumer.streams)
            await consumer.run()
            logger.info("consumer stopped")

        _with_server(context, settings, job, run_worker)

    @commands.command()
    def consumer_health() -> None:
        """Fail unless a consumer of this container is alive, for the probes of containers."""
        if not Heartbeat(settings.heartbeat_folder, HEARTBEAT).is_alive:
            fail("No sign of life of a consumer.")

    return commands


def _letter_commands(settings: EventsSettings) -> typer.Typer:
    letters = typer.Typer(help="Events that could not be handled.", no_args_is_help=True)

    @letters.command(name="list")
    def list_letters(context: typer.Context) -> None:
        """Show them, the oldest first."""

        async def job(_: State, server: Redis, keys: Keys) -> None:
            for letter in await dead_letters_of(server, keys, settings).listed():
                typer.echo(_line(letter))

        _with_server(context, settings, job)

    @letters.command()
    def requeue(context: typer.Context, ids: Ids = None, *, everything: All = False) -> None:
        """Give them to the consumers again, once what made them fail is mended."""
        _each(context, settings, ids, everything=everything, is_requeued=True)

    @letters.command()
    def drop(context: typer.Context, ids: Ids = None, *, everything: All = False) -> None:
        """Forget them."""
        _each(context, settings, ids, everything=everything, is_requeued=False)

    return letters


def _with_server(
    context: typer.Context,
    settings: EventsSettings,
    job: Callable[[State, Redis, Keys], Awaitable[None]],
    run: Callable[[typer.Context, Callable[[State], Awaitable[None]]], None] = run_job,
) -> None:
    async def with_server(state: State) -> None:
        clients = redis_clients_of(state)
        server = clients.of(settings.redis_url)
        if server is None:
            fail("REDIS_URL names no server: each process handles its own events.")
        try:
            await job(state, server, Keys.of(clients))
        except RedisError as exc:
            # Not its text, which may hold the address.
            fail(f"Redis is out of reach ({type(exc).__name__}).")

    run(context, with_server)


def _line(letter: DeadLetter) -> str:
    # Not the event: it is personal data, perhaps.
    at = letter.failed_at.isoformat(timespec="seconds")
    what = f"{letter.code}  {letter.error}  {letter.handlers or '-'}"
    return f"{letter.id}  {at}  {letter.stream}  {what}  attempts={letter.attempts}"


def _each(
    context: typer.Context,
    settings: EventsSettings,
    ids: list[str] | None,
    *,
    everything: bool,
    is_requeued: bool,
) -> None:
    if bool(ids) == everything:
        typer.echo("Name the ids, or say --all.", err=True)
        raise typer.Exit(2)

    async def job(_: State, server: Redis, keys: Keys) -> None:
        letters = dead_letters_of(server, keys, settings)
        chosen = [it for it in await letters.listed() if everything or it.id in (ids or ())]
        for letter in chosen:
            await (letters.requeue if is_requeued else letters.drop)(letter)
        typer.echo(f"{len(chosen)} {'requeued' if is_requeued else 'dropped'}.")
        if missing := set(ids or ()) - {letter.id for letter in chosen}:
            fail(f"Not found: {', '.join(sorted(missing))}")

    _with_server(context, settings, job)
