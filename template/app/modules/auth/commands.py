"""`python -m app.cli auth ...`."""

from typing import Annotated

import typer

from app.core.commands import run_job
from app.core.feature import State
from app.modules.throttle.service import forget_attempts
from app.modules.user.commands import Identifier, account_named
from app.modules.user.password_check import password_limit

from .service import account_limit
from .sessions import LoginSessions, end_all_sessions

commands = typer.Typer(help="Logins.", no_args_is_help=True)


@commands.command()
def unlock(context: typer.Context, identifier: Identifier) -> None:
    """Let an account log in again that too many failures have locked."""

    async def run(state: State) -> str:
        async with state["database"].transaction() as session:
            user = await account_named(session, identifier)
            settings = state["auth_settings"]
            limits = (account_limit(settings), password_limit(settings))
            was_locked = any([await forget_attempts(session, it, str(user.id)) for it in limits])
            if was_locked:
                await state["events"].record(session, "account_unlocked", user.id)
            return f"{user.username} can log in." if was_locked else f"{user.username} had no lock."

    typer.echo(run_job(context, run))


@commands.command()
def end_sessions(
    context: typer.Context,
    identifier: Annotated[str | None, typer.Argument(help="A username or an address.")] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="Those of every account.")] = False,
) -> None:
    """End all logins of an account, on every device; with --all those of every account."""
    if (identifier is None) is not everybody:
        typer.echo("Name an account, or give --all.", err=True)
        raise typer.Exit(2)

    async def run(state: State) -> str:
        async with state["database"].transaction() as session:
            if identifier is None:
                count = await end_all_sessions(session, state["events"])
                return f"{count} session(s) ended."
            user = await account_named(session, identifier)
            sessions = LoginSessions(session, state["events"], state["auth_settings"])
            await sessions.revoke_all(user.id)
            return f"{user.username} is logged out everywhere."

    typer.echo(run_job(context, run))
