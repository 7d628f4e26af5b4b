"""`python -m app.cli notices ...`."""

import typer

from app.core.commands import fail, run_job
from app.core.feature import State

from .history import MemoryHistory
from .schemas import Announcement
from .service import NoticeStreams

commands = typer.Typer(help="Notices to those who are connected.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """Keep `announce` a subcommand while it is the only one."""


@commands.command()
def announce(context: typer.Context, text: str) -> None:
    """Tell everybody something: that the service will be away for a while, for example."""

    async def run(state: State) -> None:
        streams: NoticeStreams = state["notice_streams"]
        if isinstance(streams.history, MemoryHistory):
            fail("Set REDIS_URL: no other process hears this one.")
        await streams.broadcast(Announcement(text=text))

    run_job(context, run)
    typer.echo("Announced.")
