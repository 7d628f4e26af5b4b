"""What a process remembers of tiers, and for how long."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.principal import Principal
from app.infrastructure.database.database import Database
from app.infrastructure.rate_limit.limits import RateLimit
from app.modules.tier.limits import TierLimits
from app.modules.tier.settings import TierSettings
from app.modules.tier.source import TierSource
from app.modules.user.models import User
from tests.fixtures.auth import create_user
from tests.fixtures.statements import statements

from .arrange import LIMIT, create_tier, give

pytestmark = pytest.mark.anyio

ME = "/api/v1/users/me"


@pytest.fixture
def database(state: dict[str, Any], session: AsyncSession) -> Database:  # noqa: ARG001 (rolls back)
    found: Database = state["database"]
    return found


@pytest.fixture
def limits(database: Database) -> TierLimits:
    return TierLimits(database, TierSettings())


async def limit_of(limits: TierLimits, user: User, path: str = ME) -> int | None:
    allowance = await limits.of(user.id, path)
    return None if allowance is None else allowance.limit


class TestTierLimits:
    async def test_that_of_the_route_counts_before_that_of_every_route(
        self, limits: TierLimits, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_tier(session, me=5, every=9))

        assert await limits.of(user.id, ME) == (5, 60)
        assert await limits.of(user.id, "/api/v1/tiers") == (9, 60)

    async def test_a_tier_need_not_say(
        self, limits: TierLimits, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_tier(session, me=5))

        assert await limits.of(user.id, "/api/v1/tiers") is None

    async def test_who_was_given_none_has_the_default_tier(
        self, limits: TierLimits, user: User, session: AsyncSession
    ) -> None:
        assert await limits.of(user.id, ME) is None
        await create_tier(session, name="free", me=5)
        limits.forget()

        assert await limit_of(limits, user) == 5

    async def test_a_tier_that_was_given_stands_alone(
        self, limits: TierLimits, user: User, session: AsyncSession
    ) -> None:
        """What the default tier says is not added to it."""
        await create_tier(session, name="free", me=5)
        await give(session, user, await create_tier(session))

        assert await limits.of(user.id, ME) is None

    async def test_asks_the_database_once_and_then_not_at_all(
        self, limits: TierLimits, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_tier(session, me=5))

        with statements() as first:
            await limits.of(user.id, ME)
        with statements() as later:
            for path in (ME, "/api/v1/tiers"):
                await limits.of(user.id, path)

        assert (len(first), later) == (1, [])

    async def test_a_change_elsewhere_counts_when_the_time_is_over(
        self, database: Database, user: User, session: AsyncSession
    ) -> None:
        limits = TierLimits(database, TierSettings(cache_seconds=0.05))
        assert await limits.of(user.id, ME) is None
        await give(session, user, await create_tier(session, me=5))

        for _ in range(500):
            if await limit_of(limits, user) is not None:
                break
            await asyncio.sleep(0.01)

        assert await limit_of(limits, user) == 5

    async def test_need_not_remember_anything(
        self, database: Database, user: User, session: AsyncSession
    ) -> None:
        limits = TierLimits(database, TierSettings(cache_seconds=0))
        await give(session, user, await create_tier(session, me=5))

        with statements() as queries:
            assert [await limit_of(limits, user) for _ in range(3)] == [5, 5, 5]

        assert len(queries) == 3

    async def test_remembers_no_more_users_than_it_may(
        self, database: Database, session: AsyncSession
    ) -> None:
        limits = TierLimits(database, TierSettings(cache_size=2))
        first, second, third = [(await create_user(session)).id for _ in range(3)]
        for user_id in (first, second, third):
            await limits.of(user_id, ME)

        assert await self._is_known(limits, third)
        assert await self._is_known(limits, second)
        assert not await self._is_known(limits, first)

    async def _is_known(self, limits: TierLimits, user_id: UUID) -> bool:
        with statements() as queries:
            await limits.of(user_id, ME)
        return queries == []

    async def test_what_was_read_before_a_change_does_not_outlive_it(
        self, limits: TierLimits, database: Database, user: User
    ) -> None:
        """The change is committed between the query and its answer."""

        def change(*_: object) -> None:
            limits.forget(user.id)

        engine = database.write_engine.sync_engine
        event.listen(engine, "after_cursor_execute", change)
        await limits.of(user.id, ME)
        event.remove(engine, "after_cursor_execute", change)

        assert not await self._is_known(limits, user.id)


class TestChanges:
    """Count in this process with the answer to the request."""

    async def test_of_a_user(
        self,
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
        state: dict[str, Any],
    ) -> None:
        limits: TierLimits = state["tier_limits"]
        tier = await create_tier(session, me=5)
        path = f"users/{user.id}/tier"
        assert await limits.of(user.id, ME) is None

        await superuser_client.put(path, json={"tier_id": str(tier.id)})
        assert await limit_of(limits, user) == 5

        await superuser_client.put(path, json={"tier_id": None})
        assert await limits.of(user.id, ME) is None

    async def test_of_a_limit(
        self,
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
        state: dict[str, Any],
    ) -> None:
        limits: TierLimits = state["tier_limits"]
        tier = await create_tier(session)
        await give(session, user, tier)
        path = f"tiers/{tier.id}/rate-limits"
        assert await limits.of(user.id, ME) is None

        added = await superuser_client.post(path, json=LIMIT)
        assert await limit_of(limits, user) == 5

        path += f"/{added.json()['id']}"
        await superuser_client.patch(path, json={"limit": 7})
        assert await limit_of(limits, user) == 7

        await superuser_client.delete(path)
        assert await limits.of(user.id, ME) is None

    async def test_of_what_is_the_default_tier(
        self,
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
        state: dict[str, Any],
    ) -> None:
        limits: TierLimits = state["tier_limits"]
        tier = await create_tier(session, me=5)
        assert await limits.of(user.id, ME) is None

        await superuser_client.patch(f"tiers/{tier.id}", json={"name": "free"})

        assert await limit_of(limits, user) == 5


class TestTierSource:
    async def test_speaks_for_accounts_alone(self, state: dict[str, Any]) -> None:
        assert await TierSource().limits_of(None, f"GET {ME}", state) is None

    async def test_answers_for_every_method_of_a_route(
        self, user: User, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        await give(session, user, await create_tier(session, me=5))

        for method in ("GET", "PATCH", "WEBSOCKET"):
            route = f"{method} {ME}"
            found = await TierSource().limits_of(Principal(user.id), route, state)
            assert found == [RateLimit(5, 60)]

    async def test_leaves_to_others_what_no_tier_says(self, state: dict[str, Any]) -> None:
        assert await TierSource().limits_of(Principal(uuid4()), f"GET {ME}", state) is None
