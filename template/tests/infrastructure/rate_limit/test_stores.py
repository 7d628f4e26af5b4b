import asyncio
from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.redis_store import RedisStore
from app.infrastructure.rate_limit.stores import LimitStore, MemoryStore, Taken
from app.infrastructure.rate_limit.windows import Window
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.redis import RedisServer

from .sample import PATIENT

pytestmark = pytest.mark.anyio

TEN = RateLimit(10, 3600)


async def take(store: LimitStore, limits: Sequence[tuple[str, RateLimit]]) -> Taken:
    taken = await store.take(limits)
    assert taken is not None
    return taken


@pytest.fixture
async def redis_clients(real_redis_settings: RedisSettings) -> AsyncGenerator[RedisClients]:
    clients = RedisClients(real_redis_settings.model_copy(update={"timeout_seconds": PATIENT}))
    yield clients
    await clients.aclose()


@pytest.fixture
def redis(redis_clients: RedisClients) -> Redis:
    client = redis_clients.of()
    assert client is not None
    return client


@pytest.fixture
def redis_store(redis_clients: RedisClients, redis: Redis) -> RedisStore:
    return RedisStore(redis, redis_clients.key, timeout_seconds=PATIENT)


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> LimitStore:
    if request.param == "memory":
        return MemoryStore()
    shared: RedisStore = request.getfixturevalue("redis_store")
    return shared


class TestTake:
    async def test_lets_exactly_so_many_through_at_the_same_moment(self, store: LimitStore) -> None:
        takes = await asyncio.gather(*(take(store, [("a", TEN)]) for _ in range(30)))

        assert sorted(take.is_allowed for take in takes) == [False] * 20 + [True] * 10

    async def test_counts_each_key_for_itself(self, store: LimitStore) -> None:
        one = RateLimit(1, 3600)
        takes = [await take(store, [(key, one)]) for key in ("a", "a", "b")]

        assert [take.is_allowed for take in takes] == [True, False, True]

    async def test_counts_under_all_limits_or_none(self, store: LimitStore) -> None:
        limits = [("few", RateLimit(1, 3600)), ("many", TEN)]
        takes = [await take(store, limits) for _ in range(3)]

        assert [take.is_allowed for take in takes] == [True, False, False]
        assert [[window.current for window in take.windows] for take in takes] == [
            [1, 1],
            [1, 1],
            [1, 1],
        ]


class TestMemoryStore:
    async def test_forgets_by_the_clock(self) -> None:
        now = 1000.0
        store = MemoryStore(lambda: now)
        limit = RateLimit(1, 60)
        results = []
        for moment in (1000.0, 1059.999, 1060.001, 1061.0, 1200.0):
            now = moment
            results.append((await take(store, [("a", limit)])).is_allowed)

        assert results == [True, False, True, False, True]

    async def test_grows_no_further_than_it_may(self) -> None:
        store = MemoryStore(most=100)
        for number in range(300):
            await take(store, [(f"key {number}", TEN)])
            # One in use is not forgotten for the others.
            busy = await take(store, [("busy", RateLimit(1000, 3600))])

        assert len(store.keys()) == 100
        assert busy.windows[0].current == 300


class TestRedisStore:
    @pytest.fixture
    def kept(self, redis_clients: RedisClients) -> str:
        return redis_clients.key("limit", uuid4().hex)

    @pytest.mark.parametrize("age", [0, 0.3, 0.99, 1.001, 1.7, 2.5, -1])
    async def test_does_the_same_sums(
        self, redis: Redis, redis_store: RedisStore, kept: str, age: float
    ) -> None:
        """Those of `Window`, whose rules are tested beside it."""
        seconds, _ = await redis.time()
        for previous, current in ((0, 3), (9, 0), (9, 4), (9, 9), (12, 12)):
            before = Window(int((seconds - age * TEN.seconds) * 1000), previous, current)
            await redis.set(kept, f"{before.started} {before.previous} {before.current}")

            taken = await take(redis_store, [(kept.rsplit(":", 1)[1], TEN)])

            expected = before.at(taken.now, TEN)
            fits = expected.used(taken.now, TEN) < TEN.amount
            assert taken.is_allowed == fits
            assert taken.windows == [expected.taken() if fits else expected]

    async def test_keeps_a_key_as_long_as_it_counts(
        self, redis: Redis, redis_store: RedisStore, kept: str
    ) -> None:
        name = kept.rsplit(":", 1)[1]
        one = RateLimit(1, 60)
        await take(redis_store, [(name, one)])
        first = await redis.pttl(kept)
        await redis.pexpire(kept, 50_000)
        # A refusal does not put the end off.
        await take(redis_store, [(name, one)])

        assert 60_000 < first <= 120_000
        assert await redis.pttl(kept) <= 50_000

    async def test_sends_one_command_for_all_limits(self, redis_server: RedisServer) -> None:
        clients = RedisClients(
            RedisSettings(url=SecretStr(redis_server.url), timeout_seconds=PATIENT)
        )
        client = clients.of()
        assert client is not None
        store = RedisStore(client, clients.key, timeout_seconds=PATIENT)
        for _ in range(3):
            await take(store, [("one", TEN), ("two", RateLimit(5, 60))])
        stats = await client.info("commandstats")
        await clients.aclose()

        # The first one had to bring the script.
        assert stats["cmdstat_evalsha"]["calls"] == 4
        assert stats["cmdstat_script|load"]["calls"] == 1
        assert "cmdstat_multi" not in stats
