"""Public events on their way to other services."""

import json

import pytest
from pydantic import SecretStr
from redis import RedisError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.events.event import Envelope
from app.infrastructure.events.handlers import EventContext, PublicEventKeeper
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.redis import RedisServer

from .conftest import Serve
from .kettle import (
    Boiled,
    BrokenError,
    Cup,
    Filled,
    at_boil,
    burst,
    noting,
    out_of_reach,
    pour,
    poured,
)

pytestmark = pytest.mark.anyio


class TestStream:
    async def test_gets_public_events_in_their_order(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(redis=real_redis_settings) as service:
            await service.tell(Filled(cup="private"))
            envelopes = await service.boil("1", "2")
            envelopes += await service.boil("3")

            entries = await service.entries(f"{real_redis_settings.prefix}:events")
            assert service.events.stats.sent == {"kettle.boiled": 3}
        assert [fields for _, fields in entries] == [
            {b"event": envelope.to_json()} for envelope in envelopes
        ]
        written = json.loads(entries[0][1][b"event"])
        assert written["source"] == f"/{real_redis_settings.prefix}:events"
        assert written["data"] == {"cup": "1", "degrees": None}

    async def test_gets_nothing_of_what_is_undone(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(redis=real_redis_settings) as service:
            with pytest.raises(BrokenError):
                async with service.database.transaction() as session:
                    await service.events.publish(session, Boiled(cup="1"))
                    raise BrokenError
            await service.events.idle()

            assert await service.entries() == []

    async def test_keeps_the_newest(self, serve: Serve, real_redis_settings: RedisSettings) -> None:
        async with serve(redis=real_redis_settings, stream_max_length=100) as service:
            await service.boil(*(str(number) for number in range(400)))

            entries = await service.entries()
        # Redis drops whole blocks, of a hundred entries as it is delivered.
        assert 100 <= len(entries) < 300
        assert json.loads(entries[-1][1][b"event"])["data"]["cup"] == "399"

    async def test_may_lie_on_a_server_of_its_own(
        self, serve: Serve, redis_url: str, real_redis_settings: RedisSettings
    ) -> None:
        prefix = real_redis_settings.prefix
        nowhere = RedisSettings(url=SecretStr("redis://127.0.0.1:1/0"), prefix=prefix)

        async with serve(redis=nowhere, redis_url=SecretStr(redis_url)) as service:
            await service.boil("1")

            assert service.events.stats.sent == {"kettle.boiled": 1}


class TestOutage:
    async def test_costs_no_request_anything_and_is_told_once(
        self, serve: Serve, redis_server: RedisServer
    ) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url))
        async with serve(redis=settings) as service:
            redis_server.stop()
            with capture_logs() as logs:
                for cup in ("1", "2", "3"):
                    await service.boil(cup)

            assert service.events.stats.lost == {"kettle.boiled": 3}
            assert service.events.stats.sent == {}
            # For who keeps them until they are sent.
            with pytest.raises(RedisError):
                await service.events.send(Envelope(id="7", source="/s", type="t"))
            redis_server.start()
            await service.events.send(Envelope(id="7", source="/s", type="t"))
            assert service.events.stats.sent == {"t": 1}
        assert [(log["event"], log["purpose"], log["error"]) for log in logs] == [
            ("redis is out of reach", "public events", "ConnectionError")
        ]


class Cellar(PublicEventKeeper):
    def __init__(self) -> None:
        self.kept: list[tuple[AsyncSession, Envelope]] = []

    async def keep(self, session: AsyncSession, envelope: Envelope) -> None:
        self.kept.append((session, envelope))


class TestKeeper:
    async def test_takes_over_in_the_transaction(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        cellar = Cellar()
        async with serve(cellar, redis=real_redis_settings) as service:
            async with service.database.transaction() as session:
                await service.events.publish(session, Boiled(cup="1"))
                ((kept_in, envelope),) = cellar.kept
                assert kept_in is session
            await service.events.idle()
            assert await service.entries() == []

            await service.events.send(envelope)

            assert len(await service.entries()) == 1


class TestWithoutRedis:
    async def test_the_process_handles_its_own_events(self, serve: Serve) -> None:
        notes: list[str] = []
        async with serve(at_boil(noting(notes))) as service:
            await service.boil("1", "2")

            assert service.events.stats.handled == {"pour": 2}
            assert service.events.stats.sent == {"kettle.boiled": 2}
        assert notes == ["1", "2"]

    async def test_it_tries_again_what_has_failed(self, serve: Serve) -> None:
        async def fail_twice(context: EventContext, told: Cup) -> None:
            await pour(context, told)
            if context.attempt < 3:
                raise BrokenError

        with capture_logs():
            async with serve(at_boil(fail_twice)) as service:
                await service.boil("1")

                assert await poured(service.database) == [("1", 3)]

    async def test_it_gives_up_after_the_last_attempt(self, serve: Serve) -> None:
        with capture_logs() as logs:
            async with serve(at_boil(burst), max_deliveries=2) as service:
                (envelope,) = await service.boil("1")

                assert await poured(service.database) == []
        assert [log["event"] for log in logs] == ["event handler failed"] * 2 + ["event given up"]
        assert logs[-1] == {
            "event": "event given up",
            "log_level": "error",
            "event_name": "kettle.boiled",
            "event_id": envelope.id,
            "handler": "pour",
            "code": "event.failed",
        }

    async def test_it_says_what_is_lost_with_the_database(self, serve: Serve) -> None:
        async with serve(at_boil(pour)) as service:
            with capture_logs() as logs:
                async with out_of_reach(service.database):
                    await service.boil("1")

        assert [log["event"] for log in logs] == ["event not sent"]
        assert service.events.stats.lost == {"kettle.boiled": 1}
