import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.redis.settings import RedisSettings
from app.modules.notice_stream import redis_history
from tests.fixtures.redis import RedisServer

from .conftest import House, Tea
from .reading import Person

pytestmark = pytest.mark.anyio


def connection_to(clients: RedisClients) -> Redis:
    client = clients.of()
    assert client is not None
    return client


@pytest.fixture
async def own_clients(redis_server: RedisServer) -> AsyncGenerator[RedisClients]:
    """Of a server that can be stopped."""
    clients = RedisClients(RedisSettings(url=SecretStr(redis_server.url), timeout_seconds=0.5))
    yield clients
    await clients.aclose()


class TestTwoProcesses:
    async def test_serve_one_client_in_turn_without_loss_or_repetition(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        other = await house.open("two", redis_clients)
        async with ada.reading("one") as reading, ada.reading("two") as there:
            await reading.place()
            await there.place()
            await other.publish(ada.user.id, Tea(cups=0))
            assert [(await it.event()).data["cups"] for it in (reading, there)] == [0, 0]
        # More than one answer of Redis has.
        for cups in range(1, 121):
            await other.publish(ada.user.id, Tea(cups=cups))
        async with ada.reading("two", last_id=reading.last_id) as again:
            await other.broadcast(Tea(cups=121))
            heard = [(await again.event()).data["cups"] for _ in range(121)]

        assert heard == list(range(1, 122))

    async def test_end_a_login_together(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        # The one that is told of events.
        await house.open("two", redis_clients)
        async with ada.reading("one") as reading:
            await reading.place()
            await ada.http.post("auth/logout")

            assert await reading.end() == []

    async def test_survive_what_they_do_not_understand(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        streams = await house.open("one", redis_clients)
        async with ada.reading("one") as reading:
            await reading.place()
            channel = redis_clients.key("notices", "messages")
            with capture_logs() as lines:
                for message in (b"news:nobody", b"\xff", b"tea:everybody"):
                    await connection_to(redis_clients).publish(channel, message)
                await streams.publish(ada.user.id, Tea(cups=1))
                await reading.event()

        assert [it["log_level"] for it in lines if "understood" in it["event"]] == ["error"] * 2


class TestConnections:
    async def test_are_few_for_many_streams(
        self, ada: Person, house: House, own_clients: RedisClients
    ) -> None:
        streams = await house.open("one", own_clients, connections_per_user=20)
        readings = [await house.stack.enter_async_context(ada.reading("one")) for _ in range(20)]
        for reading in readings:
            await reading.place()
        redis = connection_to(own_clients)
        await streams.publish(ada.user.id, Tea(cups=1))
        for reading in readings:
            await reading.event()

        assert len(await redis.client_list(_type="pubsub")) == 1
        await house.stack.aclose()


class TestOutage:
    async def test_resets_who_missed_something_and_nobody_else(
        self, ada: Person, house: House, own_clients: RedisClients, redis_server: RedisServer
    ) -> None:
        streams = await house.open("one", own_clients)
        grace = await house.person()
        with capture_logs() as lines:
            async with ada.reading("one") as reading:
                await reading.place()
                redis_server.stop()
                await streams.publish(ada.user.id, Tea(cups=1))
                # Who comes now waits too, and has missed nothing.
                async with grace.reading("one") as new:
                    assert new.status == 200
                    redis_server.start()
                    assert (await reading.event()).name == "reset"
                    await new.place()
                    await streams.publish(ada.user.id, Tea(cups=2))
                    await streams.publish(grace.user.id, Tea(cups=3))
                    heard = [(await it.event()).data["cups"] for it in (reading, new)]
            await house.stack.aclose()

        assert heard == [2, 3]
        words = [it["event"] for it in lines if it.get("purpose") == "notice streams"]
        assert words == ["redis is out of reach", "redis is back"]

    async def test_of_the_connection_alone_loses_nothing(
        self, ada: Person, house: House, own_clients: RedisClients
    ) -> None:
        streams = await house.open("one", own_clients)
        async with ada.reading("one") as reading:
            await reading.place()
            await connection_to(own_clients).client_kill_filter(_type="pubsub")
            for cups in range(3):
                await streams.publish(ada.user.id, Tea(cups=cups))

            assert [(await reading.event()).data["cups"] for _ in range(3)] == [0, 1, 2]
        await house.stack.aclose()

    async def test_that_only_the_publisher_sees_resets_too(
        self, ada: Person, house: House, redis_clients: RedisClients
    ) -> None:
        await house.open("one", redis_clients)
        nowhere = RedisClients(RedisSettings(url=SecretStr("redis://127.0.0.1:1")))
        other = redis_history.RedisHistory(
            connection_to(nowhere), redis_clients, length=9, retention_seconds=1
        )
        async with ada.reading("one") as reading:
            await reading.place()
            await other.append(ada.user.id.hex, "tea", "{}")
            other._redis, other._outage = connection_to(redis_clients), OutageGuard("tea")  # noqa: SLF001
            # The next one makes up for it, whoever that is for.
            await other.append("somebody", "tea", "{}")

            assert (await reading.event()).name == "reset"
        await nowhere.aclose()

    async def test_that_is_long_counts_for_everybody(
        self,
        ada: Person,
        house: House,
        redis_clients: RedisClients,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(redis_history, "_MISSED_AT_MOST", 1)
        streams = await house.open("one", redis_clients)
        history: Any = streams.history
        async with ada.reading("one") as reading:
            await reading.place()
            for name in ("bob", "grace"):
                history._miss(name)  # noqa: SLF001
            await streams.publish(ada.user.id, Tea(cups=1))

            assert (await reading.event()).name == "reset"

    async def test_at_the_start_keeps_nobody_waiting(
        self, house: House, own_clients: RedisClients, redis_server: RedisServer
    ) -> None:
        redis_server.stop()
        streams = await house.open("one", own_clients)
        async with asyncio.timeout(5):
            await streams.listen()
        await house.stack.aclose()
