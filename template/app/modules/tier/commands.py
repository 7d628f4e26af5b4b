"""`python -m app.cli tier ...`.

A running service sees what they change once its processes ask the database again: after
`TIER_CACHE_SECONDS`.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from app.core.commands import fail, run_job
from app.core.feature import State
from app.modules.user.commands import Identifier, account_named
from app.modules.user.service import lock_user

from .crud import TierCRUD
from .defaults import default_tiers
from .errors import TierNameTakenError
from .models import Tier
from .schemas import RateLimitCreate, TierCreate
from .service import assign, store, store_limit

commands = typer.Typer(help="Tiers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="TIER", help="Its name.")]


@commands.command()
def seed(context: typer.Context) -> None:
    """Make the tiers free and pro, unless they exist; running it again changes nothing."""

    async def run(state: State) -> list[str]:
        return [await _seed(state, tier, limits) for tier, limits in default_tiers()]

    typer.echo("\n".join(run_job(context, run)))


async def _seed(state: State, data: TierCreate, limits: Sequence[RateLimitCreate]) -> str:
    try:
        async with state["database"].transaction() as session:
            tiers = TierCRUD(session)
            tier = await store(tiers, state["events"], Tier(**data.model_dump()))
            for limit in limits:
                await store_limit(tiers, state["events"], tier, limit)
    except TierNameTakenError:
        return f"{data.name}: left as it is."
    return f"{data.name}: made."


@commands.command()
def grant(context: typer.Context, user: Identifier, tier: Name) -> None:
    """Give an account a tier, in place of the one it has."""
    _change(context, user, tier)


@commands.command()
def revoke(context: typer.Context, user: Identifier) -> None:
    """Take from an account the tier it was given; the default one counts again."""
    _change(context, user, None)


def _change(context: typer.Context, identifier: str, name: str | None) -> None:
    """Whoever runs commands stands above every rank."""

    async def run(state: State) -> str:
        async with state["database"].transaction() as session:
            tiers = TierCRUD(session)
            user = await account_named(session, identifier)
            await lock_user(session, user.id)
            tier = None if name is None else await tiers.get_named(name)
            if name is not None and tier is None:
                fail(f"No tier has the name {name!r}.")
            default = state["tier_settings"].default
            await assign(tiers, state["events"], user.id, tier, default=default)
            has = f"has the tier {tier.name}" if tier else "has no tier of its own"
            return f"{user.username} {has}."

    typer.echo(run_job(context, run))


@commands.command(name="list")
def list_tiers(context: typer.Context) -> None:
    """List the tiers, and to how many accounts each is given."""

    async def run(state: State) -> list[str]:
        default = state["tier_settings"].default
        async with state["database"].reading() as session:
            return [
                f"{name}  {users} user(s)" + ("  and all others" if name == default else "")
                for name, users in await TierCRUD(session).with_users()
            ]

    lines = run_job(context, run)
    typer.echo("\n".join(lines or ["There are no tiers yet."]))
