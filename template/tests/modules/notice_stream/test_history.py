from collections.abc import Callable

import pytest

from app.infrastructure.redis.clients import RedisClients
from app.modules.notice_stream.history import Entry, History, MemoryHistory
from app.modules.notice_stream.redis_history import RedisHistory

pytestmark = pytest.mark.anyio

DAY = 86_400


def of_redis(clients: RedisClients, *, length: int = 3) -> RedisHistory:
    redis = clients.of()
    assert redis is not None
    return RedisHistory(redis, clients, length=length, retention_seconds=DAY)


@pytest.fixture(params=["memory", "redis"])
def history(request: pytest.FixtureRequest) -> History:
    if request.param == "memory":
        return MemoryHistory(length=3, retention_seconds=DAY)
    return of_redis(request.getfixturevalue("redis_clients"))


def kinds(entries: list[Entry] | None) -> list[str] | None:
    return None if entries is None else [it.type for it in entries]


class TestHistory:
    async def test_has_what_came_after_a_place(self, history: History) -> None:
        ada, all_ = await history.newest(["ada", "everybody"])
        await history.append("ada", "one", "1")
        await history.append("everybody", "two", "2")
        await history.append("ada", "three", "3")
        own, everybody = await history.after([("ada", ada), ("everybody", all_)])

        assert own is not None
        assert [(it.type, it.data) for it in own] == [("one", "1"), ("three", "3")]
        assert kinds(everybody) == ["two"]
        assert await history.newest(["ada"]) == [own[-1].id]
        assert await history.after([("ada", own[0].id)]) == [own[1:]]
        assert own[0].order < own[1].order

    async def test_knows_a_place_for_as_long_as_it_is_kept(self, history: History) -> None:
        (place,) = await history.newest(["ada"])
        for kind in ("one", "two"):
            await history.append("ada", kind, "")
        (still,) = await history.after([("ada", place)])
        await history.append("ada", "three", "")

        assert kinds(still) == ["one", "two"]
        assert await history.after([("ada", place)]) == [None]
        assert kinds(await history.all_of("ada")) == ["one", "two", "three"]

    async def test_keeps_nothing_for_nobody(self, history: History) -> None:
        await history.append("ada", "one", "1")

        assert await history.all_of("ada") == []

    async def test_forgets_what_is_dropped(self, history: History) -> None:
        (place,) = await history.newest(["ada"])
        await history.append("ada", "one", "1")
        await history.drop("ada")

        assert await history.all_of("ada") == []
        assert await history.after([("ada", place)]) == [None]

    async def test_that_nobody_hears_tells_nothing(self, history: History) -> None:
        await history.tell("news:ada")


class TestRetention:
    async def test_begins_anew_whenever_somebody_asks(self) -> None:
        now = 1_000_000.0
        clock: Callable[[], float] = lambda: now  # noqa: E731
        history = MemoryHistory(length=3, retention_seconds=10, clock=clock)
        (place,) = await history.newest(["ada"])
        now += 9
        assert await history.after([("ada", place)]) == [[]]
        now += 9
        assert await history.after([("ada", place)]) == [[]]
        await history.append("ada", "one", "1")
        # Adding to it is not asking.
        now += 9
        await history.append("ada", "two", "2")
        now += 1

        assert await history.all_of("ada") == []

    async def test_is_kept_by_redis(self, redis_clients: RedisClients) -> None:
        history = of_redis(redis_clients)
        redis, key = redis_clients.of(), redis_clients.key("notices", "ada")
        assert redis is not None
        (place,) = await history.newest(["ada"])
        assert await redis.ttl(key) == DAY
        for ask in (history.newest(["ada"]), history.after([("ada", place)])):
            await redis.expire(key, 100)
            await history.append("ada", "one", "1")
            assert await redis.ttl(key) == 100
            await ask
            assert await redis.ttl(key) == DAY
