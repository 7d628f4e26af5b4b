"""`python -m app.cli role ...`."""

from typing import Annotated

import typer

from app.core.commands import fail, run_job
from app.core.feature import State
from app.modules.user.commands import Identifier, account_named
from app.modules.user.service import lock_user

from .crud import RoleCRUD
from .defaults import default_roles
from .errors import RoleNameTakenError
from .models import Role
from .service import assign, record, store

commands = typer.Typer(help="Roles.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="ROLE", help="Its name.")]


@commands.command()
def seed(
    context: typer.Context,
    *,
    complete: Annotated[
        bool, typer.Option("--complete", help="Add what the existing ones lack of the defaults.")
    ] = False,
) -> None:
    """Make the default roles that are missing; running it again changes nothing.

    Those that exist are left as they are, so that what was taken from one stays taken. Once a new
    module has brought permissions, --complete gives them to whom the defaults do.
    """

    async def run(state: State) -> list[str]:
        return [
            await _seed(state, role, complete=complete)
            for role in default_roles(state["extensions"])
        ]

    lines = run_job(context, run)
    typer.echo("\n".join(lines))


async def _seed(state: State, default: Role, *, complete: bool) -> str:
    name, wanted = default.name, set(default.permissions)
    try:
        async with state["database"].transaction() as session:
            await store(RoleCRUD(session), state["events"], default)
    except RoleNameTakenError:
        async with state["database"].transaction() as session:
            return await _complete(state, RoleCRUD(session), name, wanted if complete else set())
    return f"{name}: made."


async def _complete(state: State, roles: RoleCRUD, name: str, wanted: set[str]) -> str:
    role = await roles.get_named(name)
    missing = wanted - set(role.permissions) if role else set()
    if role is None or not missing:
        return f"{name}: left as it is."
    role.permit([*role.permissions, *missing])
    await roles.session.flush()
    await record(roles, state["events"], "role_updated", role)
    return f"{name}: added {', '.join(sorted(missing))}."


@commands.command()
def grant(context: typer.Context, user: Identifier, role: Name) -> None:
    """Give an account a role."""
    _change(context, user, role, is_given=True)


@commands.command()
def revoke(context: typer.Context, user: Identifier, role: Name) -> None:
    """Take a role from an account."""
    _change(context, user, role, is_given=False)


def _change(context: typer.Context, identifier: str, name: str, *, is_given: bool) -> None:
    """Whoever runs commands stands above every rank."""

    async def run(state: State) -> str:
        async with state["database"].transaction() as session:
            roles = RoleCRUD(session)
            user = await account_named(session, identifier)
            await lock_user(session, user.id)
            role = await roles.get_named(name)
            if role is None:
                fail(f"No role has the name {name!r}.")
            if (role in await roles.of_user(user.id)) != is_given:
                change = {"added" if is_given else "removed": [role]}
                await assign(roles, state["events"], user.id, **change)
            verb = "has" if is_given else "does not have"
            return f"{user.username} {verb} the role {role.name}."

    typer.echo(run_job(context, run))


@commands.command(name="list")
def list_roles(context: typer.Context) -> None:
    """List the roles with their ranks, and how many accounts have each."""

    async def run(state: State) -> list[str]:
        async with state["database"].reading() as session:
            rows = await RoleCRUD(session).by_role()
        return [f"{row['rank']:>3}  {row['name']}  {row['users']} user(s)" for row in rows]

    lines = run_job(context, run)
    typer.echo("\n".join(lines or ["There are no roles yet."]))
