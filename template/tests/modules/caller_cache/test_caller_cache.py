from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from app.infrastructure.security.events import SecurityEvents
from app.modules.auth.models import LoginSession
from app.modules.auth.sessions import end_all_sessions
from app.modules.caller_cache.feature import feature
from app.modules.caller_cache.memory import RedisCallerMemory
from app.modules.caller_cache.settings import CallerCacheSettings
from app.modules.user.models import CurrentUser, User
from tests.fixtures.auth import log_in
from tests.fixtures.redis import RedisServer
from tests.support import client_of

pytestmark = pytest.mark.anyio


class Held(NamedTuple):
    user: CurrentUser
    note: str


def held(user_id: UUID | None = None) -> Held:
    now = datetime.now(UTC)
    return Held(
        CurrentUser(
            id=user_id or uuid4(),
            name="Ada",
            username="ada",
            email="ada@example.com",
            email_verified=False,
            profile_image_url=None,
            is_superuser=False,
            created_at=now,
            updated_at=now,
        ),
        "a note",
    )


@pytest.fixture
def memory(state: dict[str, Any]) -> RedisCallerMemory:
    """The service's own; it remembers nothing yet."""
    return cast("RedisCallerMemory", state["extensions"].of(RedisCallerMemory)[0])


@pytest.fixture
async def remembering(
    memory: RedisCallerMemory, redis_clients: RedisClients
) -> AsyncGenerator[RedisCallerMemory]:
    """The same with a server to remember in."""
    memory.open(redis_clients, redis_clients.of())
    yield memory
    memory.close()


async def rename_by_hand(session: AsyncSession, user: User, name: str) -> None:
    await session.execute(update(User).where(User.id == user.id).values(name=name))
    await session.commit()


async def name_of(client: AsyncClient) -> str:
    response = await client.get("users/me")
    assert response.status_code == 200
    return cast("str", response.json()["name"])


@pytest.mark.usefixtures("remembering")
class TestRequest:
    async def test_is_answered_without_the_query(
        self, user_client: AsyncClient, session: AsyncSession, user: User
    ) -> None:
        before = await name_of(user_client)
        await rename_by_hand(session, user, "Nobody Asked")

        assert await name_of(user_client) == before

    async def test_sees_a_change_through_the_service_at_once(
        self, user_client: AsyncClient
    ) -> None:
        await name_of(user_client)
        await user_client.patch("users/me", json={"name": "Countess"})

        assert await name_of(user_client) == "Countess"

    async def test_sees_a_logout_at_once(self, user_client: AsyncClient) -> None:
        await name_of(user_client)
        await user_client.post("auth/logout")

        assert (await user_client.get("users/me")).status_code == 401

    async def test_sees_a_closed_account_at_once(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User
    ) -> None:
        await name_of(user_client)
        answer = await superuser_client.post(f"users/{user.id}/deactivate")

        assert answer.status_code == 200
        assert (await user_client.get("users/me")).status_code == 401

    async def test_sees_the_end_of_all_sessions_at_once(
        self, user_client: AsyncClient, state: dict[str, Any]
    ) -> None:
        await name_of(user_client)
        async with state["database"].transaction() as session:
            await end_all_sessions(session, state["events"])

        assert (await user_client.get("users/me")).status_code == 401

    async def test_ends_with_the_session_though_it_is_remembered(
        self, user_client: AsyncClient, session: AsyncSession, remembering: RedisCallerMemory
    ) -> None:
        await session.execute(update(LoginSession).values(expires_at=datetime.now(UTC)))
        await session.commit()

        assert (await user_client.get("users/me")).status_code == 401
        assert await kept(remembering) == 1
        assert (await user_client.get("users/me")).status_code == 401

    async def test_of_one_credential_says_nothing_about_another(
        self, app: FastAPI, state: dict[str, Any], user: User, superuser: User
    ) -> None:
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            first = await name_of(client)
            await log_in(client, state, superuser)
            second = await name_of(client)

        assert (first, second) == (user.name, superuser.name)


async def kept(memory: RedisCallerMemory) -> int:
    """How many callers are remembered."""
    clients = cast("Any", memory)._clients  # noqa: SLF001 (nothing else asks)
    found = [key async for key in clients.of().scan_iter(clients.key("caller", "entry", "*"))]
    return len(found)


class TestMemory:
    async def test_recalls_what_was_kept(self, remembering: RedisCallerMemory) -> None:
        found = held()
        await remembering.keep("key", found)

        assert await remembering.recall("key", Held) == found
        assert await remembering.recall("other", Held) is None

    async def test_keeps_nothing_that_was_read_before_a_change(
        self, remembering: RedisCallerMemory, state: dict[str, Any]
    ) -> None:
        found = held()
        async with state["database"].transaction() as change:
            remembering.forget(change, found.user.id)
        await remembering.keep("late", found)
        await remembering.keep("of another", held())

        assert await remembering.recall("late", Held) is None
        assert await remembering.recall("of another", Held) is not None

    async def test_keeps_nothing_that_was_read_before_all_were_forgotten(
        self, remembering: RedisCallerMemory, state: dict[str, Any]
    ) -> None:
        await remembering.keep("early", held())
        async with state["database"].transaction() as change:
            remembering.forget(change, None)
        await remembering.keep("late", held())

        assert await remembering.recall("early", Held) is None
        assert await remembering.recall("late", Held) is None

    async def test_forgets_every_credential_of_the_account_after_the_commit(
        self, remembering: RedisCallerMemory, state: dict[str, Any]
    ) -> None:
        found = held()
        for key in ("one", "two"):
            await remembering.keep(key, found)
        async with state["database"].transaction() as change:
            remembering.forget(change, found.user.id)
            before = [await remembering.recall(key, Held) for key in ("one", "two")]

        assert before == [found, found]
        assert [await remembering.recall(key, Held) for key in ("one", "two")] == [None, None]

    async def test_is_not_emptied_by_strangers(
        self, remembering: RedisCallerMemory, state: dict[str, Any]
    ) -> None:
        found = held()
        await remembering.keep("key", found)
        events: SecurityEvents = state["events"]
        async with state["database"].transaction() as session:
            await events.record(session, "login_failure", None, is_warning=True)

        assert await remembering.recall("key", Held) == found

    async def test_misses_what_it_cannot_read(
        self, remembering: RedisCallerMemory, redis_clients: RedisClients
    ) -> None:
        await remembering.keep("key", held())
        client = redis_clients.of()
        assert client is not None
        async for entry in client.scan_iter(redis_clients.key("caller", "entry", "*")):
            await client.set(entry, b"[1]")

        assert await remembering.recall("key", Held) is None

    async def test_remembers_nothing_without_a_server(self, memory: RedisCallerMemory) -> None:
        await memory.keep("key", held())

        assert await memory.recall("key", Held) is None

    async def test_remembers_nothing_where_it_is_off(self, redis_clients: RedisClients) -> None:
        memory = RedisCallerMemory(ttl_seconds=0)
        memory.open(redis_clients, redis_clients.of())
        await memory.keep("key", held())

        assert await memory.recall("key", Held) is None


class TestOutage:
    async def test_is_no_reason_to_refuse_anybody(
        self, user_client: AsyncClient, memory: RedisCallerMemory, redis_server: RedisServer
    ) -> None:
        clients = RedisClients(RedisSettings(url=SecretStr(redis_server.url)))
        memory.open(clients, clients.of())
        await name_of(user_client)
        redis_server.stop()

        assert await name_of(user_client)
        changed = await user_client.patch("users/me", json={"name": "Countess"})
        assert changed.status_code == 200
        assert await name_of(user_client) == "Countess"
        memory.close()
        await clients.aclose()


async def test_is_opened_and_closed_with_the_service(redis_clients: RedisClients) -> None:
    plugged = feature(CallerCacheSettings())
    memory = cast("RedisCallerMemory", plugged.extensions[0])
    assert plugged.lifespan is not None

    async with plugged.lifespan({"redis_clients": redis_clients}):
        await memory.keep("key", held())
        during = await memory.recall("key", Held)

    assert during is not None
    assert await memory.recall("key", Held) is None
