"""`python -m app.cli two-factor ...`."""

import typer

from app.core.commands import fail, run_job
from app.core.feature import State
from app.modules.auth.sessions import LoginSessions
from app.modules.user.commands import Identifier, account_named

from .service import TwoFactorService, encrypt_anew

commands = typer.Typer(help="The second factor.", no_args_is_help=True)


@commands.command()
def reset(context: typer.Context, identifier: Identifier) -> None:
    """Take the second factor off an account whose owner has lost it, and end all its logins."""

    async def run(state: State) -> str:
        async with state["database"].transaction() as session:
            user = await account_named(session, identifier)
            events = state["events"]
            sessions = LoginSessions(session, events, state["auth_settings"])
            service = TwoFactorService(session, state["two_factor"], sessions, events)
            if await service.reset(user.id):
                return f"{user.username} logs in without a second factor now."
            return f"{user.username} had no second factor."

    typer.echo(run_job(context, run))


@commands.command(name="encrypt-anew")
def encrypt(context: typer.Context) -> None:
    """Encrypt the secrets with the present SECRET_KEY, before a former one is taken away."""

    async def run(state: State) -> tuple[int, int]:
        async with state["database"].transaction() as session:
            return await encrypt_anew(session, state["two_factor"])

    changed, unreadable = run_job(context, run)
    typer.echo(f"{changed} secret(s) encrypted anew.")
    if unreadable:
        fail(
            f"{unreadable} secret(s) cannot be read: their key is neither SECRET_KEY nor among "
            "SECRET_PREVIOUS_KEYS."
        )
