"""`python -m app.cli file ...`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.core.commands import run_job
from app.core.feature import State
from app.infrastructure.storage.storage import Storage, StoredObject

from .crud import FileCRUD
from .leftovers import GRACE

commands = typer.Typer(help="Uploaded files.", no_args_is_help=True)

_BATCH = 500


@commands.callback()
def group() -> None:
    """Keep `orphans` a subcommand while it is the only one."""


@commands.command()
def orphans(
    context: typer.Context,
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete them.")] = False,
) -> None:
    """List objects in the storage that no file has.

    A restored backup leaves some, and an account that is deleted in the database itself. The
    storage must hold nothing else. What is younger than a day may be an upload.
    """

    async def run(state: State) -> list[StoredObject]:
        storage: Storage = state["storage"]
        found, batch = [], []
        async for item in storage.objects():
            if datetime.now(UTC) - item.stored_at > GRACE:
                batch.append(item)
            if len(batch) == _BATCH:
                found += await _unknown(state, batch)
                batch = []
        found += await _unknown(state, batch)
        if delete:
            await storage.delete(item.key for item in found)
        return found

    found = run_job(context, run)
    for item in found:
        typer.echo(f"{item.key}  {item.size}")
    typer.echo(f"{len(found)} object(s) without a file{', deleted' if delete else ''}.")


async def _unknown(state: State, batch: Sequence[StoredObject]) -> list[StoredObject]:
    async with state["database"].reading() as session:
        known = await FileCRUD(session).known([item.key for item in batch])
    return [item for item in batch if item.key not in known]
