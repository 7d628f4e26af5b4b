"""`python -m app.cli user ...`."""

from typing import Annotated

import typer
from pydantic import SecretStr, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.commands import fail, run_job
from app.core.feature import State
from app.modules.throttle.service import Throttle

from .crud import UserCRUD
from .models import User
from .password_check import PasswordCheck
from .schemas import UserCreate
from .service import UserService

commands = typer.Typer(help="Accounts.", no_args_is_help=True)

Identifier = Annotated[str, typer.Argument(metavar="USER", help="A username or e-mail address.")]


async def account_named(session: AsyncSession, identifier: str) -> User:
    """The account that a command is to work on; without one the command ends, and says so."""
    user = await UserCRUD(session).get_for_login(identifier.lower())
    if user is None:
        fail(f"No account has the name or address {identifier!r}.")
    return user


@commands.callback()
def group() -> None:
    """Keep `create-superuser` a subcommand while it is the only one."""


@commands.command()
def create_superuser(
    context: typer.Context,
    email: Annotated[str, typer.Option(envvar="SUPERUSER_EMAIL", prompt=True)],
    username: Annotated[str, typer.Option(envvar="SUPERUSER_USERNAME", prompt=True)],
    password: Annotated[
        str,
        typer.Option(
            envvar="SUPERUSER_PASSWORD",
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            help="At least 12 characters. Better in the variable than on the command line.",
        ),
    ],
    name: str = "Administrator",
) -> None:
    """Register an account that may do everything, or promote the one with this e-mail address.

    Running it again changes nothing, so that it may be a step of each deployment.
    """
    try:
        data = UserCreate(name=name, username=username, email=email, password=SecretStr(password))
    except ValidationError as exc:
        for error in exc.errors(include_input=False, include_url=False, include_context=False):
            typer.echo(f"{error['loc'][0]}: {error['msg']}", err=True)
        raise typer.Exit(2) from None

    async def create(state: State) -> str:
        async with state["database"].transaction() as session:
            users, events = UserCRUD(session), state["events"]
            if (user := await users.get_for_login(data.email)) is not None:
                if not (user.is_superuser and user.is_active):
                    await users.update(user, {"is_superuser": True, "is_active": True})
                    await events.record(session, "superuser_made", user.id)
                return f"{user.username} is a superuser; the password was left as it is."
            user = await _service(state, users).create(data, is_superuser=True)
            await events.record(session, "superuser_made", user.id)
            return f"{data.username} is registered as a superuser."

    typer.echo(run_job(context, create))


def _service(state: State, users: UserCRUD) -> UserService:
    database, events = state["database"], state["events"]
    check = PasswordCheck(
        database, state["passwords"], Throttle(database, events), state["auth_settings"]
    )
    return UserService(users, events, check, state["extensions"])
