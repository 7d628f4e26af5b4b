import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from app.infrastructure.redis.outage import OutOfReachError

from .entry import Key
from .stats import CacheStats
from .store import EVERYTHING, Store, Versions

Value = TypeVar("Value")
Load = Callable[[], Awaitable[object]]

# Entries of the same moment end within a tenth of their life, not all at once.
_JITTER = 0.1
# How often a process looks whether another one is done, in seconds; at random, so that those who
# wait do not ask in step.
_LOOK_AGAIN = (0.02, 0.06)


@dataclass(frozen=True, slots=True)
class _Found(Generic[Value]):
    value: Value


class Cache:
    """Answers that were computed before.

    It never fails: where the server is out of reach every read computes. An entry is valid while
    the versions of its tags are those that were read *before* it was computed. So a reader that
    has loaded what a writer was about to replace stores an entry that nobody takes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._flights: dict[tuple[str, Versions], asyncio.Future[bytes | None]] = {}

    @property
    def stats(self) -> CacheStats:
        return self._store.stats

    async def get_or_set(self, key: Key[Value], load: Load, *, tags: Sequence[str] = ()) -> Value:
        """The cached value, or what `load` returns, validated as the entry's type.

        `None` is a value like others. An exception of `load` is the caller's, and nothing is
        stored. Of those who miss the same entry at the same time one computes and the others wait.
        Give the same tags in the same order wherever an entry is read.
        """
        try:
            payload, versions = await self._store.read(key, tags)
        except OutOfReachError:
            self.stats.misses[key.entry.name] += 1
            return key.entry.of(await load())
        found = _decode(key, payload) or await self._join(key, versions)
        if found is not None:
            self.stats.hits[key.entry.name] += 1
            return found.value
        return await self._lead(key, load, tags, versions)

    async def invalidate(self, *targets: Key[Any] | str) -> None:
        """Let nobody read what is in the cache now, by entry or by tag.

        Call it when the change is safe, that is after the commit. If the server is out of reach,
        this process makes up for it before it reads again; the others read the old value until it
        expires.
        """
        await self._store.renew(*targets)

    async def clear(self) -> None:
        """All entries of this service. They take room until they expire."""
        await self._store.renew(EVERYTHING)

    async def ping(self) -> None:
        """Raises `OutOfReachError`."""
        await self._store.ping()

    async def _join(self, key: Key[Value], versions: Versions) -> _Found[Value] | None:
        """What another one of this process is computing.

        For the same versions: one that began before an invalidation has nothing for those who
        came after it.
        """
        flight = self._flights.get((key.text, versions))
        if flight is None:
            return None
        # Shielded: who gives up waiting does not end it for the others.
        return _decode(key, await asyncio.shield(flight))

    async def _lead(
        self, key: Key[Value], load: Load, tags: Sequence[str], versions: Versions
    ) -> Value:
        flight: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        name = (key.text, versions)
        # Several who waited for one that failed: each goes on by itself.
        self._flights.setdefault(name, flight)
        try:
            async with self._turn(key, tags, versions) as made:
                found = _decode(key, made)
                if found is not None:
                    self.stats.hits[key.entry.name] += 1
                    flight.set_result(made)
                    return found.value
                self.stats.misses[key.entry.name] += 1
                value = key.entry.of(await load())
                payload = key.entry.dump(value)
                flight.set_result(payload)
                longest = key.entry.lifetime(value)
                seconds = longest * (1 - _JITTER * random.random())  # noqa: S311 (spreads load)
                await self._store.write(key, payload, versions, seconds)
                return value
        finally:
            if self._flights.get(name) is flight:
                del self._flights[name]
            if not flight.done():
                flight.set_result(None)

    @asynccontextmanager
    async def _turn(
        self, key: Key[Value], tags: Sequence[str], versions: Versions
    ) -> AsyncGenerator[bytes | None]:
        """One process at a time; the entry if another one has made it meanwhile.

        Who has waited for `lock_seconds` computes as well: no entry is worth more.
        """
        seconds = key.entry.lock_seconds
        if not seconds or not self._store.is_shared:
            yield None
            return
        owner, deadline = str(uuid4()), time.monotonic() + seconds
        while True:
            is_ours = await self._store.lock(key, versions, owner, seconds)
            # Also with the lock: whoever had it may have been done since we looked.
            payload = await self._look_again(key, tags)
            if is_ours or payload is not None or time.monotonic() > deadline:
                break
            await asyncio.sleep(random.uniform(*_LOOK_AGAIN))  # noqa: S311 (spreads load)
        try:
            yield payload
        finally:
            if is_ours:
                await self._store.unlock(key, versions, owner)

    async def _look_again(self, key: Key[Any], tags: Sequence[str]) -> bytes | None:
        try:
            payload, _ = await self._store.read(key, tags)
        except OutOfReachError:
            return None
        return payload


def _decode(key: Key[Value], payload: bytes | None) -> _Found[Value] | None:
    if payload is None:
        return None
    try:
        return _Found(key.entry.parse(payload))
    except ValidationError:
        # Of another release, or not from us.
        return None
