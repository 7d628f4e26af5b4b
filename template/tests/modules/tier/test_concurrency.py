"""Several requests at once, in transactions of their own."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select

from app.infrastructure.database.database import Database
from app.modules.tier.models import RateLimit, Tier, UserTier
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .arrange import LIMIT, create_tier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def admin_client(
    app: FastAPI, state: dict[str, Any], committed: Database
) -> AsyncGenerator[AsyncClient]:
    async with committed.write_sessions() as session:
        admin = await create_user(session, is_superuser=True)
    async with client_of(app, state) as client:
        yield await log_in(client, state, admin)


async def arranged(committed: Database, tiers: int) -> tuple[User, list[Tier]]:
    async with committed.write_sessions() as session:
        return await create_user(session), [await create_tier(session) for _ in range(tiers)]


async def tiers_of(committed: Database, user: User) -> list[UUID]:
    async with committed.reading() as session:
        statement = select(UserTier.tier_id).where(UserTier.user_id == user.id)
        return list(await session.scalars(statement))


async def test_one_of_many_tiers_with_a_name_is_made(admin_client: AsyncClient) -> None:
    responses = await asyncio.gather(
        *(admin_client.post("tiers", json={"name": "pro"}) for _ in range(6))
    )

    assert Counter(it.status_code for it in responses) == {201: 1, 409: 5}


async def test_one_of_many_limits_for_a_route_is_made(
    admin_client: AsyncClient, committed: Database
) -> None:
    _, (tier,) = await arranged(committed, 1)

    responses = await asyncio.gather(
        *(admin_client.post(f"tiers/{tier.id}/rate-limits", json=LIMIT) for _ in range(6))
    )

    assert Counter(it.status_code for it in responses) == {201: 1, 409: 5}


async def test_one_of_many_deletions_wins(admin_client: AsyncClient, committed: Database) -> None:
    _, (tier,) = await arranged(committed, 1)

    responses = await asyncio.gather(*(admin_client.delete(f"tiers/{tier.id}") for _ in range(5)))

    assert Counter(it.status_code for it in responses) == {204: 1, 404: 4}


async def test_no_tier_is_deleted_while_it_is_given(
    admin_client: AsyncClient, committed: Database
) -> None:
    """Either it is given and stays, or it is gone and nobody has it."""
    user, tiers = await arranged(committed, 6)

    async def race(tier: Tier) -> tuple[int, int]:
        given, deleted = await asyncio.gather(
            admin_client.put(f"users/{user.id}/tier", json={"tier_id": str(tier.id)}),
            admin_client.delete(f"tiers/{tier.id}"),
        )
        return given.status_code, deleted.status_code

    outcomes = [await race(tier) for tier in tiers]

    assert set(outcomes) <= {(200, 409), (409, 204)}
    async with committed.reading() as session:
        live = set(await session.scalars(select(Tier.id).where(Tier.deleted_at.is_(None))))
    assert set(await tiers_of(committed, user)) <= live


async def test_no_limit_outlives_its_tier(admin_client: AsyncClient, committed: Database) -> None:
    _, tiers = await arranged(committed, 4)

    for tier in tiers:
        path = f"tiers/{tier.id}"
        added, deleted = await asyncio.gather(
            admin_client.post(f"{path}/rate-limits", json=LIMIT), admin_client.delete(path)
        )
        assert (added.status_code, deleted.status_code) in {(201, 204), (404, 204)}

    async with committed.reading() as session:
        left = await session.scalars(select(RateLimit.id).where(RateLimit.deleted_at.is_(None)))
        assert list(left) == []


async def test_of_many_assignments_one_is_left(
    admin_client: AsyncClient, committed: Database
) -> None:
    user, tiers = await arranged(committed, 3)

    responses = await asyncio.gather(
        *(
            admin_client.put(f"users/{user.id}/tier", json={"tier_id": str(tier.id)})
            for tier in tiers * 2
        )
    )

    assert [it.status_code for it in responses] == [200] * 6
    assert [it.json()["tier_id"] for it in responses] == [str(it.id) for it in tiers * 2]
    (left,) = await tiers_of(committed, user)
    assert left in {tier.id for tier in tiers}
