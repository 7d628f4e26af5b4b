"""`python -m app.cli audit ...`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from app.core.commands import run_job
from app.core.feature import State

from .crud import AuditCRUD
from .schemas import AuditEventRead, Moment

commands = typer.Typer(help="The audit log.", no_args_is_help=True)

_moment: TypeAdapter[datetime] = TypeAdapter(Moment)


def _parse(value: str) -> datetime:
    try:
        return _moment.validate_python(value)
    except ValidationError:
        raise typer.BadParameter("must look like 2026-01-31T12:00:00Z") from None


@commands.command()
def prune(
    context: typer.Context,
    older_than: Annotated[int, typer.Option(min=1, max=36_500, help="In days.")],
) -> None:
    """Delete old events now, whatever AUDIT_RETENTION_DAYS says. That is recorded itself."""

    async def run(state: State) -> int:
        async with state["database"].transaction() as session:
            before = datetime.now(UTC) - timedelta(days=older_than)
            count = await AuditCRUD(session).delete_before(before)
            await state["events"].record(
                session, "audit_events_pruned", None, older_than_days=older_than, events=count
            )
        return count

    typer.echo(f"{run_job(context, run)} event(s) deleted.")


@commands.command()
def export(
    context: typer.Context,
    since: Annotated[
        datetime | None,
        typer.Option(parser=_parse, metavar="TIME", help="As 2026-01-31T12:00:00Z."),
    ] = None,
) -> None:
    """Print events as JSON, one a line, oldest first.

    To go on later, begin some minutes before the last one: an event that was still being stored
    then may be older. The ids show which ones came twice. LOG_LEVEL=error keeps lines of the log
    out. This is not recorded: whoever may run commands can read the database anyway.
    """

    async def run(state: State) -> None:
        async with state["database"].reading() as session:
            async for rows in AuditCRUD(session).batches(since):
                for row in rows:
                    typer.echo(AuditEventRead.model_validate(row).model_dump_json())

    run_job(context, run)
