import asyncio
from dataclasses import replace

import pytest

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.entry import EVERYBODY
from app.infrastructure.redis.settings import RedisSettings

from .samples import LONDON, WEATHER, Source, Weather, degrees, opened

pytestmark = pytest.mark.anyio


class TestOneProcess:
    async def test_computes_once_for_all_who_ask_at_the_same_time(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = degrees(20, gate=gate)
        readers = [asyncio.create_task(cache.get_or_set(LONDON, source)) for _ in range(10)]
        await source.started.wait()
        gate.set()

        values = await asyncio.gather(*readers)

        assert {value.degrees for value in values} == {20}
        assert source.calls == 1
        # Nobody can change the value of another one.
        assert len({id(value) for value in values}) == 10

    @pytest.mark.parametrize("end", ["cancelled", "failed"])
    async def test_goes_on_when_the_one_who_computes_does_not(self, cache: Cache, end: str) -> None:
        gate = asyncio.Event()
        source = Source(LookupError("no"), Weather(degrees=20), gate=gate)
        first = asyncio.create_task(cache.get_or_set(LONDON, source))
        await source.started.wait()
        others = [asyncio.create_task(cache.get_or_set(LONDON, source)) for _ in range(3)]
        if end == "cancelled":
            first.cancel()
        gate.set()

        assert [(await other).degrees for other in others] == [20, 20, 20]
        with pytest.raises(asyncio.CancelledError if end == "cancelled" else LookupError):
            await first

    async def test_goes_on_when_one_who_waits_gives_up(self, cache: Cache) -> None:
        gate = asyncio.Event()
        source = degrees(20, gate=gate)
        first = asyncio.create_task(cache.get_or_set(LONDON, source))
        await source.started.wait()
        impatient = asyncio.create_task(cache.get_or_set(LONDON, source))
        patient = asyncio.create_task(cache.get_or_set(LONDON, source))
        await asyncio.sleep(0)
        impatient.cancel()
        gate.set()

        assert ((await first).degrees, (await patient).degrees) == (20, 20)
        assert impatient.cancelled() or (await impatient).degrees == 20


class TestSeveralProcesses:
    async def test_compute_once(self, shared: Cache, neighbour: Cache) -> None:
        gate = asyncio.Event()
        source = degrees(20, gate=gate)
        first = asyncio.create_task(shared.get_or_set(LONDON, source))
        await source.started.wait()
        second = asyncio.create_task(neighbour.get_or_set(LONDON, degrees(30)))
        asyncio.get_running_loop().call_later(0.1, gate.set)

        values = await asyncio.gather(first, second)

        assert [value.degrees for value in values] == [20, 20]
        assert (shared.stats.misses, neighbour.stats.misses) == ({"weather": 1}, {})
        assert neighbour.stats.hits == {"weather": 1}

    async def test_do_not_wait_longer_than_the_lock_lasts(
        self, shared: Cache, neighbour: Cache
    ) -> None:
        """The other process was killed while it computed."""
        key = replace(WEATHER, lock_seconds=0.2).key("London", audience=EVERYBODY)
        gate = asyncio.Event()
        stuck = degrees(20, gate=gate)
        task = asyncio.create_task(shared.get_or_set(key, stuck))
        await stuck.started.wait()

        async with asyncio.timeout(5):
            value = await neighbour.get_or_set(key, degrees(30))

        assert value.degrees == 30
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def test_take_over_when_the_one_who_computes_fails(
        self, shared: Cache, neighbour: Cache
    ) -> None:
        gate = asyncio.Event()
        source = Source(LookupError("no"), gate=gate)
        first = asyncio.create_task(shared.get_or_set(LONDON, source))
        await source.started.wait()
        second = asyncio.create_task(neighbour.get_or_set(LONDON, degrees(30)))
        asyncio.get_running_loop().call_later(0.05, gate.set)

        async with asyncio.timeout(4):
            assert (await second).degrees == 30
        with pytest.raises(LookupError):
            await first

    async def test_compute_side_by_side_without_a_lock(
        self, shared: Cache, neighbour: Cache
    ) -> None:
        key = replace(WEATHER, lock_seconds=0).key("London", audience=EVERYBODY)
        gate = asyncio.Event()
        source = degrees(20, gate=gate)
        first = asyncio.create_task(shared.get_or_set(key, source))
        await source.started.wait()

        assert (await neighbour.get_or_set(key, degrees(30))).degrees == 30

        gate.set()
        assert (await first).degrees == 20


async def test_an_unlock_leaves_the_lock_of_another_alone(
    real_redis_settings: RedisSettings, neighbour: Cache
) -> None:
    """Who computes for too long has lost the lock; the next one has it."""
    async with opened(real_redis_settings) as cache:
        store, versions = cache._store, (b"0",)  # noqa: SLF001 (its promise is tested here)
        assert await store.lock(LONDON, versions, "one", 60)

        await neighbour._store.unlock(LONDON, versions, "two")  # noqa: SLF001 (as above)

        assert not await store.lock(LONDON, versions, "three", 60)
        await store.unlock(LONDON, versions, "one")
        assert await store.lock(LONDON, versions, "three", 60)
