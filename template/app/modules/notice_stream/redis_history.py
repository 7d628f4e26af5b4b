from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.redis.subscription import Subscription

from .history import EVERYBODY, Entry, History

# Of one answer. A client that was away for longer asks again at once.
_BATCH = 100
# Accounts whose notices were lost to an outage; of more than these, everybody's count as lost.
_MISSED_AT_MOST = 1000


class RedisHistory(History):
    """A stream of Redis for each name, and one channel for the messages of all processes.

    Nobody waits in Redis for a notice: the channel says that there is one, to one connection of
    each process. A notice that could not be stored breaks the history it belongs to, so that those
    who follow it learn that they have missed something.
    """

    def __init__(
        self, redis: Redis, clients: RedisClients, *, length: int, retention_seconds: int
    ) -> None:
        self._redis = redis
        self._clients = clients
        self._length = length
        self._retention_seconds = retention_seconds
        self._outage = OutageGuard("notice streams")
        self._channel = clients.key("notices", "messages")
        self._messages = Subscription(redis, (self._channel,), self._outage)
        self._missed: set[str] = set()

    async def newest(self, names: Sequence[str]) -> list[str]:
        return await self._outage.attempt(partial(self._newest, names))

    async def after(self, places: Sequence[tuple[str, str]]) -> list[list[Entry] | None]:
        return await self._outage.attempt(partial(self._after, places))

    async def all_of(self, name: str) -> list[Entry]:
        return await self._outage.attempt(partial(self._all_of, name))

    async def append(self, name: str, kind: str, data: str) -> None:
        is_stored = await self._outage.run(partial(self._append, name, kind, data), default=False)
        if not is_stored:
            self._miss(name)

    async def drop(self, name: str) -> None:
        self._miss(name)
        await self._outage.run(self._mend, None)

    async def tell(self, message: str) -> None:
        await self._outage.run(partial(self._tell, message), None)

    async def listen(self, hear: Callable[[str], None]) -> None:
        async def make_up() -> None:
            await self._mend()
            hear("")

        await self._messages.listen(lambda _, said: hear(said.decode()), make_up)

    async def aclose(self) -> None:
        await self._messages.aclose()

    def _key(self, name: str) -> str:
        return self._clients.key("notices", name)

    async def _newest(self, names: Sequence[str]) -> list[str]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.xrevrange(self._key(name), count=1)
                pipe.expire(self._key(name), self._retention_seconds)
            found = (await pipe.execute())[::2]
        return [
            entries[0][0].decode() if entries else await self._begin(name)
            for name, entries in zip(names, found, strict=True)
        ]

    async def _all_of(self, name: str) -> list[Entry]:
        return _entries(cast("Any", await self._redis.xrange(self._key(name))))

    async def _begin(self, name: str) -> str:
        """An entry that others may add to."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(self._key(name), cast("Any", {"type": "", "data": ""}))
            pipe.expire(self._key(name), self._retention_seconds)
            added, _ = await pipe.execute()
        return cast("bytes", added).decode()

    async def _after(self, places: Sequence[tuple[str, str]]) -> list[list[Entry] | None]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, place in places:
                pipe.xrange(self._key(name), min=place, count=_BATCH)
                pipe.expire(self._key(name), self._retention_seconds)
            found = (await pipe.execute())[::2]
        answers: list[list[Entry] | None] = []
        for (_, place), raw in zip(places, found, strict=True):
            entries = _entries(raw)
            is_there = bool(entries) and entries[0].id == place
            answers.append(entries[1:] if is_there else None)
        return answers

    async def _append(self, name: str, kind: str, data: str) -> bool:
        await self._mend()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(
                self._key(name),
                cast("Any", {"type": kind, "data": data}),
                # Exactly: Redis cuts whole nodes of 100 entries else.
                maxlen=self._length,
                approximate=False,
                # What nobody has followed, nobody can ask for.
                nomkstream=True,
            )
            pipe.publish(self._channel, f"news:{name}")
            await pipe.execute()
        return True

    async def _tell(self, message: str) -> None:
        await self._redis.publish(self._channel, message)

    def _miss(self, name: str) -> None:
        self._missed.add(name)
        if len(self._missed) > _MISSED_AT_MOST:
            # Everybody follows this one.
            self._missed = {EVERYBODY}

    async def _mend(self) -> None:
        """Break what is incomplete."""
        while self._missed:
            missed = list(self._missed)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(*map(self._key, missed))
                for name in missed:
                    pipe.publish(self._channel, f"news:{name}")
                await pipe.execute()
            self._missed.difference_update(missed)


def _entries(raw: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> list[Entry]:
    return [Entry(at.decode(), it[b"type"].decode(), it[b"data"].decode()) for at, it in raw]
