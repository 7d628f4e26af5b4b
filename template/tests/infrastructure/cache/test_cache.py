import asyncio
import pickle
from collections.abc import Awaitable
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError, computed_field
from redis.asyncio import Redis

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.entry import EVERYBODY, AnswerEntry, CacheEntry, Key
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings

from .samples import ADA, BEN, LONDON, WEATHER, Source, Weather, degrees, opened

pytestmark = pytest.mark.anyio

MAYBE = CacheEntry[Weather | None](
    name="maybe", type_=Weather | None, ttl_seconds=300, none_ttl_seconds=10
)


class Report(Weather):
    @computed_field  # type: ignore[prop-decorator]  # mypy does not know decorated properties
    @property
    def is_warm(self) -> bool:
        return self.degrees > 15


REPORT = AnswerEntry(name="report", type_=Report, ttl_seconds=300)


class TestGetOrSet:
    async def test_computes_once(self, cache: Cache) -> None:
        source = degrees(20, 30)

        values = [await cache.get_or_set(LONDON, source) for _ in range(3)]

        assert values == [Weather(degrees=20)] * 3
        assert source.calls == 1

    async def test_tells_callers_apart(self, cache: Cache) -> None:
        for person, value in ((ADA, 20), (BEN, 30)):
            key = WEATHER.key("London", audience=person)
            assert (await cache.get_or_set(key, degrees(value))).degrees == value

        assert (await cache.get_or_set(LONDON, degrees(40))).degrees == 40

    async def test_answers_a_value_of_the_entrys_type_also_when_it_computes(
        self, cache: Cache
    ) -> None:
        first = await cache.get_or_set(LONDON, Source({"degrees": "20"}))
        second = await cache.get_or_set(LONDON, Source({}))

        assert first == second == Weather(degrees=20)

    async def test_answers_the_bytes_of_an_answer(self, cache: Cache) -> None:
        """As FastAPI would write them, computed fields too."""
        key = REPORT.key(audience=EVERYBODY)
        source = Source({"degrees": 20}, {"degrees": 30})

        bodies = [await cache.get_or_set(key, source) for _ in range(2)]

        assert bodies == [b'{"degrees":20,"is_warm":true}'] * 2
        assert source.calls == 1

    async def test_refuses_an_answer_that_is_not_of_the_entrys_type(self, cache: Cache) -> None:
        with pytest.raises(ValidationError):
            await cache.get_or_set(REPORT.key(audience=EVERYBODY), Source({"degrees": "warm"}))

    async def test_refuses_what_is_not_of_the_entrys_type(self, cache: Cache) -> None:
        with pytest.raises(ValidationError):
            await cache.get_or_set(LONDON, Source({"degrees": "warm"}))

        assert (await cache.get_or_set(LONDON, degrees(20))).degrees == 20

    @pytest.mark.parametrize("value", [0, "", [], False, None], ids=repr)
    async def test_keeps_what_is_false(self, cache: Cache, value: object) -> None:
        entry = CacheEntry[Any](name="any", type_=Any, ttl_seconds=60)
        source = Source(value)

        values = [await cache.get_or_set(entry.key(audience=EVERYBODY), source) for _ in range(2)]

        assert values == [value, value]
        assert source.calls == 1

    async def test_an_exception_is_the_callers_and_is_not_kept(self, cache: Cache) -> None:
        source = Source(LookupError("no"), Weather(degrees=20))

        with pytest.raises(LookupError, match="no"):
            await cache.get_or_set(LONDON, source)

        assert (await cache.get_or_set(LONDON, source)).degrees == 20

    async def test_counts_hits_and_misses(self, cache: Cache) -> None:
        for _ in range(3):
            await cache.get_or_set(LONDON, degrees(20))

        assert cache.stats.hits == {"weather": 2}
        assert cache.stats.misses == {"weather": 1}
        assert cache.stats.errors == 0


class TestLifetime:
    async def test_is_up_to_a_tenth_shorter_than_said(
        self, shared: Cache, redis_clients: RedisClients
    ) -> None:
        for number in range(6):
            key = WEATHER.key(number, audience=EVERYBODY)
            await shared.get_or_set(key, degrees(20))

        lives = set(await entry_lives(redis_clients))
        assert len(lives) > 1
        assert 260_000 < min(lives) <= max(lives) <= 300_000

    async def test_of_none_is_its_own(self, shared: Cache, redis_clients: RedisClients) -> None:
        await shared.get_or_set(MAYBE.key(1, audience=EVERYBODY), Source(None))

        (life,) = await entry_lives(redis_clients)
        assert 8_000 < life <= 10_000

    async def test_ends(self, cache: Cache) -> None:
        entry = CacheEntry[Weather](name="brief", type_=Weather, ttl_seconds=0.02)
        key, source = entry.key(audience=EVERYBODY), degrees(*range(100))
        await cache.get_or_set(key, source)

        async with asyncio.timeout(5):
            while source.calls == 1:
                await cache.get_or_set(key, source)
                await asyncio.sleep(0.005)

    async def test_in_memory_ends_for_the_least_recently_used_when_there_is_no_room(self) -> None:
        async with opened(RedisSettings(), memory_entries=5) as cache:
            for number in range(10):
                await cache.get_or_set(WEATHER.key(number, audience=EVERYBODY), degrees(20))
            source = degrees(30)

            await cache.get_or_set(WEATHER.key(0, audience=EVERYBODY), source)

        assert source.calls == 1


class TestStoredValues:
    """What lies in the server is not trusted."""

    @pytest.mark.parametrize("garbage", [b"", b"0", b"{}", b"12345", b"\x80\x04N."], ids=repr)
    async def test_that_are_garbage_are_misses(
        self, shared: Cache, redis_clients: RedisClients, garbage: bytes
    ) -> None:
        await shared.get_or_set(LONDON, degrees(20))
        for name in await names(redis_clients, "entry"):
            await client_of(redis_clients).set(name, garbage)

        assert (await shared.get_or_set(LONDON, degrees(30))).degrees == 30

    async def test_that_no_longer_fit_are_misses(
        self, shared: Cache, redis_clients: RedisClients
    ) -> None:
        await shared.get_or_set(LONDON, degrees(20))
        (name,) = await names(redis_clients, "entry")
        head = (await stored(redis_clients, name)).partition(b"\n")[0]
        await client_of(redis_clients).set(name, head + b'\n{"degrees": "warm"}')

        assert (await shared.get_or_set(LONDON, degrees(30))).degrees == 30

    async def test_are_never_unpickled(
        self, shared: Cache, redis_clients: RedisClients, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[object] = []
        monkeypatch.setattr(pickle, "loads", lambda value, **_: seen.append(value))
        await shared.get_or_set(LONDON, degrees(20))
        for name in await names(redis_clients, ""):
            await client_of(redis_clients).set(name, pickle.dumps(Weather(degrees=20)))

        assert (await shared.get_or_set(LONDON, degrees(30))).degrees == 30
        assert seen == []

    async def test_are_json_and_show_nobodys_words_in_their_names(
        self, shared: Cache, redis_clients: RedisClients
    ) -> None:
        key = WEATHER.key("someone@example.com", audience=ADA)
        await shared.get_or_set(key, degrees(20))

        (name,) = await names(redis_clients, "entry")
        assert name.startswith(redis_clients.key("cache", "entry", "weather:v1.").encode())
        assert b"example" not in name
        payload = (await stored(redis_clients, name)).partition(b"\n")[2]
        assert payload == b'{"degrees":20}'


class TestInvalidate:
    async def test_makes_an_entry_be_computed_anew(self, cache: Cache) -> None:
        paris = WEATHER.key("Paris", audience=EVERYBODY)
        for key in (LONDON, paris):
            await cache.get_or_set(key, degrees(20))

        await cache.invalidate(LONDON)

        assert (await cache.get_or_set(LONDON, degrees(30))).degrees == 30
        assert (await cache.get_or_set(paris, degrees(30))).degrees == 20

    async def test_by_tag_reaches_every_entry_that_has_it(self, cache: Cache) -> None:
        keys = {name: WEATHER.key(name, audience=EVERYBODY) for name in ("London", "Leeds", "Bonn")}
        tags = {"London": ["uk"], "Leeds": ["rain", "uk"], "Bonn": ["rain"]}
        for name, key in keys.items():
            await cache.get_or_set(key, degrees(20), tags=tags[name])

        await cache.invalidate("uk")

        values = {
            name: (await cache.get_or_set(key, degrees(30), tags=tags[name])).degrees
            for name, key in keys.items()
        }
        assert values == {"London": 30, "Leeds": 30, "Bonn": 20}

    async def test_reaches_other_processes(self, shared: Cache, neighbour: Cache) -> None:
        await shared.get_or_set(LONDON, degrees(20), tags=["uk"])
        assert (await neighbour.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 20

        await neighbour.invalidate("uk")

        assert (await shared.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 30

    @pytest.mark.parametrize("target", [LONDON, "uk"], ids=["entry", "tag"])
    async def test_holds_for_who_loaded_before_and_stores_after(
        self, cache: Cache, target: Key[Weather] | str
    ) -> None:
        """The reader has the old row, the writer commits and invalidates, the reader stores."""
        gate = asyncio.Event()
        slow = degrees(20, gate=gate)
        reader = asyncio.create_task(cache.get_or_set(LONDON, slow, tags=["uk"]))
        await slow.started.wait()

        await cache.invalidate(target)
        gate.set()

        assert (await reader).degrees == 20
        assert (await cache.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 30

    @pytest.mark.parametrize("target", [LONDON, "uk"], ids=["entry", "tag"])
    async def test_who_comes_after_it_does_not_wait_for_who_came_before(
        self, cache: Cache, target: Key[Weather] | str
    ) -> None:
        gate = asyncio.Event()
        slow = degrees(20, gate=gate)
        reader = asyncio.create_task(cache.get_or_set(LONDON, slow, tags=["uk"]))
        await slow.started.wait()
        await cache.invalidate(target)

        async with asyncio.timeout(2):
            value = await cache.get_or_set(LONDON, degrees(30), tags=["uk"])

        assert value.degrees == 30
        gate.set()
        await reader

    async def test_holds_when_the_server_forgets_the_version(
        self, shared: Cache, redis_clients: RedisClients
    ) -> None:
        """A server that is full may evict any key."""
        await shared.get_or_set(LONDON, degrees(20), tags=["uk"])
        await shared.invalidate("uk")

        for name in await names(redis_clients, "tag"):
            await client_of(redis_clients).delete(name)

        assert (await shared.get_or_set(LONDON, degrees(30), tags=["uk"])).degrees == 30

    async def test_of_everything_leaves_others_keys_alone(
        self, cache: Cache, redis_clients: RedisClients
    ) -> None:
        await client_of(redis_clients).set(redis_clients.key("limit"), b"7")
        await cache.get_or_set(LONDON, degrees(20))

        await cache.clear()

        assert (await cache.get_or_set(LONDON, degrees(30))).degrees == 30
        assert await client_of(redis_clients).get(redis_clients.key("limit")) == b"7"


class TestReleases:
    async def test_do_not_read_each_others_entries(self, shared: Cache, neighbour: Cache) -> None:
        class Newer(BaseModel):
            degrees: int
            wind: int = 0

        newer = CacheEntry[Newer](name="weather", type_=Newer, ttl_seconds=300)
        await shared.get_or_set(LONDON, degrees(20))

        key = newer.key("London", audience=EVERYBODY)
        value = await neighbour.get_or_set(key, Source(Newer(degrees=30)))

        assert value.degrees == 30
        assert (await shared.get_or_set(LONDON, degrees(40))).degrees == 20


def client_of(clients: RedisClients) -> Redis:
    client = clients.of()
    assert client is not None
    return client


async def names(clients: RedisClients, kind: str) -> list[bytes]:
    return [name async for name in client_of(clients).scan_iter(clients.key("cache", f"{kind}*"))]


async def stored(clients: RedisClients, name: bytes) -> bytes:
    value = await client_of(clients).get(name)
    assert isinstance(value, bytes)
    return value


async def entry_lives(clients: RedisClients) -> list[int]:
    """In milliseconds."""
    found: list[Awaitable[int]] = [
        client_of(clients).pttl(name) for name in await names(clients, "entry")
    ]
    return await asyncio.gather(*found)
