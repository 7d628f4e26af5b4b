"""`python -m app.cli cache ...`."""

from typing import Annotated

import typer

from app.core.commands import fail, run_job
from app.core.feature import State
from app.infrastructure.redis.outage import OutOfReachError

from .dependencies import cache_of


def build_commands(*, is_shared: bool) -> typer.Typer:
    commands = typer.Typer(help="The cache.", no_args_is_help=True)

    @commands.command()
    def ping(context: typer.Context) -> None:
        """Tell whether the cache answers."""
        _run(context, [])
        typer.echo("The cache answers.")

    @commands.command()
    def clear(
        context: typer.Context,
        tag: Annotated[list[str] | None, typer.Option(help="Only what has this tag.")] = None,
    ) -> None:
        """Forget everything, or what has a tag: after a change that went past the service."""
        _run(context, tag or [], everything=not tag)
        typer.echo("Forgotten.")

    def _run(context: typer.Context, tags: list[str], *, everything: bool = False) -> None:
        if not is_shared:
            fail("Without REDIS_URL each process has a cache of its own: restart the service.")

        async def job(state: State) -> None:
            cache = cache_of(state)
            # Asked first: an invalidation that cannot be sent would wait in this process.
            await cache.ping()
            await cache.invalidate(*tags)
            if everything:
                await cache.clear()

        try:
            run_job(context, job)
        except OutOfReachError:
            fail("The cache does not answer. Is Redis running, and is its URL right?")

    return commands
