"""A cache never fails, and never keeps anybody waiting for long."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.entry import EVERYBODY, Key
from app.infrastructure.redis.outage import OutOfReachError
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.redis import RedisServer

from .samples import LONDON, WEATHER, Source, Weather, degrees, opened

pytestmark = pytest.mark.anyio

PAUSE_SECONDS = 0.3


@pytest.fixture
async def cache(redis_server: RedisServer) -> AsyncGenerator[Cache]:
    """On a server of the test's own, which has answered once."""
    redis = RedisSettings(url=SecretStr(redis_server.url))
    while True:
        async with opened(redis, timeout_seconds=0.2, pause_seconds=PAUSE_SECONDS) as cache:
            await cache.get_or_set(LONDON, degrees(20), tags=["uk"])
            if cache.stats.errors:
                # A busy machine: not in time.
                continue
            yield cache
            return


async def back(cache: Cache) -> None:
    """Returns when the cache has noticed that the server is there."""
    async with asyncio.timeout(10):
        while True:
            try:
                await cache.ping()
            except OutOfReachError:
                await asyncio.sleep(0.01)
            else:
                return


async def keep(cache: Cache, key: Key[Weather], number: int) -> None:
    """Returns when the server has it, in time also on a busy machine."""
    errors = -1
    while errors != cache.stats.errors:
        await back(cache)
        errors = cache.stats.errors
        await cache.get_or_set(key, degrees(number))


class TestServerThatIsGone:
    async def test_costs_nobody_an_answer_and_is_told_once(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        redis_server.stop()
        source = degrees(*range(100))

        with capture_logs() as logs:
            values = [(await cache.get_or_set(LONDON, source)).degrees for _ in range(20)]
            await cache.invalidate("uk")

        assert values == list(range(20))
        assert logs == [
            {
                "event": "redis is out of reach",
                "purpose": "cache",
                "log_level": "warning",
                "error": "ConnectionError",
            }
        ]
        assert 1 <= cache.stats.errors <= 3
        assert cache.stats.misses == {"weather": 21}

    async def test_is_used_again_when_it_is_back(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        redis_server.stop()
        await cache.get_or_set(LONDON, degrees(30))
        redis_server.start()

        with capture_logs() as logs:
            await back(cache)

        assert [log["event"] for log in logs] == ["redis is back"]
        await cache.get_or_set(LONDON, degrees(30))
        assert (await cache.get_or_set(LONDON, degrees(40))).degrees == 30

    async def test_that_goes_while_an_answer_is_computed_costs_no_answer(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        gate = asyncio.Event()
        source = degrees(30, gate=gate)
        key = WEATHER.key("Leeds", audience=EVERYBODY)
        reader = asyncio.create_task(cache.get_or_set(key, source))
        await source.started.wait()

        redis_server.stop()
        gate.set()

        assert (await reader).degrees == 30

    async def test_that_goes_while_another_process_computes_costs_no_answer(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        key = WEATHER.key("Leeds", audience=EVERYBODY)
        gate = asyncio.Event()
        source = degrees(30, gate=gate)
        async with opened(RedisSettings(url=SecretStr(redis_server.url))) as neighbour:
            other = asyncio.create_task(neighbour.get_or_set(key, source))
            await source.started.wait()
            reader = asyncio.create_task(cache.get_or_set(key, degrees(40)))
            await asyncio.sleep(0.05)
            redis_server.stop()

            async with asyncio.timeout(4):
                assert (await reader).degrees == 40
            gate.set()
            assert (await other).degrees == 30

    async def test_is_sent_the_invalidations_it_missed_before_it_is_read(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        """It was out of reach and kept what it had: a broken network, not a restart."""
        signal_to(redis_server, signal.SIGSTOP)
        await cache.invalidate("uk")
        signal_to(redis_server, signal.SIGCONT)

        await back(cache)

        assert (await cache.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 30

    async def test_forgets_everything_when_it_missed_too_many(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        signal_to(redis_server, signal.SIGSTOP)
        await cache.invalidate(*(f"town:{number}" for number in range(1001)))
        signal_to(redis_server, signal.SIGCONT)

        await back(cache)

        assert (await cache.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 30


class TestServerThatDoesNotAnswer:
    async def test_is_waited_for_once(self, cache: Cache, redis_server: RedisServer) -> None:
        """A black hole: it takes the connection, and then nothing comes."""
        signal_to(redis_server, signal.SIGSTOP)
        began = time.monotonic()
        for number in range(20):
            await cache.get_or_set(LONDON, degrees(number), tags=["uk"])
            if time.monotonic() - began > PAUSE_SECONDS:
                break
        waited = time.monotonic() - began
        errors = cache.stats.errors
        signal_to(redis_server, signal.SIGCONT)

        assert errors == 1
        # 0.2 seconds are waited for; the rest is for a busy machine.
        assert 0.15 < waited < 2

    async def test_does_not_mix_up_answers_afterwards(
        self, cache: Cache, redis_server: RedisServer
    ) -> None:
        """The answer that nobody waited for does not become that of the next command."""
        other = WEATHER.key("Paris", audience=EVERYBODY)
        await keep(cache, other, 25)
        signal_to(redis_server, signal.SIGSTOP)
        await cache.get_or_set(LONDON, degrees(20), tags=["uk"])
        signal_to(redis_server, signal.SIGCONT)
        await back(cache)

        assert (await cache.get_or_set(other, degrees(0))).degrees == 25
        assert (await cache.get_or_set(LONDON, degrees(0), tags=["uk"])).degrees == 20


class TestServerThatRefuses:
    async def test_is_read_all_the_same(self, cache: Cache, redis_server: RedisServer) -> None:
        """It is full, and told not to forget."""
        client = Redis.from_url(redis_server.url)
        await client.config_set("maxmemory", "1")
        await client.aclose()
        paris = WEATHER.key("Paris", audience=EVERYBODY)
        source = Source(*(Weather(degrees=number) for number in range(10)))

        with capture_logs() as logs:
            values = [(await cache.get_or_set(paris, source)).degrees for _ in range(3)]
            known = (await cache.get_or_set(LONDON, source, tags=["uk"])).degrees

        assert values == [0, 1, 2]
        assert known == 20
        assert logs[0] == {
            "event": "redis refuses",
            "purpose": "cache",
            "log_level": "warning",
            "error": "OutOfMemoryError",
        }
        assert len(logs) < 3
        assert cache.stats.errors >= 3


def signal_to(server: RedisServer, number: signal.Signals) -> None:
    assert server._process is not None  # noqa: SLF001 (the fixture offers no more than start and stop)
    os.kill(server._process.pid, number)  # noqa: SLF001 (as above)
