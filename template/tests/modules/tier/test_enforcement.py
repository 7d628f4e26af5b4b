"""From the request to the limit that it meets."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import UnavailableError
from app.core.principal import Principal
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.tier.limits import TierLimits
from app.modules.tier.settings import TierSettings
from app.modules.tier.source import TierSource
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .arrange import create_tier, give

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(session: AsyncSession) -> User:
    return await create_user(session)


@pytest.fixture
async def other_client(
    app: FastAPI, state: dict[str, Any], other: User
) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        yield await log_in(client, state, other)


async def statuses(client: AsyncClient, times: int, path: str = "users/me") -> list[int]:
    return [(await client.get(path)).status_code for _ in range(times)]


async def limit_shown(client: AsyncClient, path: str = "users/me") -> int:
    return int((await client.get(path)).headers["ratelimit-limit"])


async def test_users_of_two_tiers_meet_their_own_limits_on_one_route(
    user_client: AsyncClient,
    user: User,
    other_client: AsyncClient,
    other: User,
    session: AsyncSession,
) -> None:
    await give(session, user, await create_tier(session, me=2))
    await give(session, other, await create_tier(session, me=3))

    assert await statuses(user_client, 4) == [200, 200, 429, 429]
    assert await statuses(other_client, 4) == [200, 200, 200, 429]


async def test_users_of_one_tier_count_alone(
    user_client: AsyncClient,
    user: User,
    other_client: AsyncClient,
    other: User,
    session: AsyncSession,
) -> None:
    tier = await create_tier(session, me=1)
    for each in (user, other):
        await give(session, each, tier)

    assert await statuses(user_client, 2) == [200, 429]
    assert await statuses(other_client, 2) == [200, 429]


async def test_a_refusal_says_which_limit_and_when_to_come_back(
    user_client: AsyncClient, user: User, session: AsyncSession
) -> None:
    await give(session, user, await create_tier(session, me=1))
    first = await user_client.get("users/me")
    refused = await user_client.get("users/me")

    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("1", "0")
    assert refused.headers["ratelimit-limit"] == "1"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["content-type"] == "application/problem+json"


async def test_another_tier_counts_at_once(
    user_client: AsyncClient, user: User, superuser_client: AsyncClient, session: AsyncSession
) -> None:
    basic, pro = await create_tier(session, me=1), await create_tier(session, me=5)
    await give(session, user, basic)
    assert await statuses(user_client, 2) == [200, 429]

    for tier, limit in ((pro, 5), (basic, 1)):
        await superuser_client.put(f"users/{user.id}/tier", json={"tier_id": str(tier.id)})
        assert await limit_shown(user_client) == limit


async def test_the_limit_of_every_route_is_counted_for_each_alone(
    user_client: AsyncClient, user: User, session: AsyncSession
) -> None:
    await give(session, user, await create_tier(session, every=2, me=1))

    assert await statuses(user_client, 2) == [200, 429]
    assert await statuses(user_client, 3, "users/me/tier") == [200, 200, 429]
    assert await statuses(user_client, 1, f"users/{user.id}") == [200]


async def test_without_a_tier_the_service_s_own_limits_hold(user_client: AsyncClient) -> None:
    assert await limit_shown(user_client) == 999_999


async def test_who_is_not_logged_in_has_no_tier(
    client: AsyncClient, user_client: AsyncClient, session: AsyncSession
) -> None:
    await create_tier(session, name="free", every=5)

    assert await limit_shown(user_client) == 5
    assert await limit_shown(client) == 999_999


async def test_a_database_out_of_reach_leaves_it_to_the_settings() -> None:
    """What the limiter takes for no answer."""
    database = Database(DatabaseSettings(url=SecretStr("sqlite:////nowhere/app.db")))
    state = {"tier_limits": TierLimits(database, TierSettings())}

    with pytest.raises(UnavailableError):
        await TierSource().limits_of(Principal(uuid4()), "GET /api/v1/users/me", state)

    await database.aclose()
