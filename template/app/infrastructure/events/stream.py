"""One stream of Redis as one consumer of one group sees it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from redis import ResponseError
from redis.asyncio import Redis

from .dead_letters import DeadLetters
from .entry import FIELD, Entry
from .receiver import Failure


@dataclass(slots=True)
class Claims:
    """How far the search for what others have begun has come."""

    cursor: str = "0-0"
    is_over: bool = False
    trimmed: int = 0
    """Entries that were begun, and were gone from the stream before they were ended."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Its commands raise `redis.RedisError`."""

    redis: Redis = field(repr=False)
    stream: str
    group: str
    consumer: str
    is_private: bool = False
    """Nobody else reads it, so what is ended need not be kept."""

    async def join(self) -> None:
        """Make the group if it is not there; a new one begins with the oldest that is kept."""
        try:
            await self.redis.xgroup_create(self.stream, self.group, id="0", mkstream=True)
        except ResponseError as exc:
            if not str(exc).startswith("BUSYGROUP"):
                raise

    async def read(self, block_ms: int) -> Entry | None:
        """The next one that nobody has had, once there is one."""
        answer: Any = await self.redis.xreadgroup(
            self.group, self.consumer, {self.stream: ">"}, count=1, block=block_ms
        )
        if not answer:
            return None
        ((_, ((entry_id, fields),)),) = answer
        return _entry(entry_id, fields, attempt=1)

    async def take_over(self, claims: Claims, idle_ms: int) -> Entry | None:
        """The next one that somebody has begun and not ended for so long."""
        cursor, entries, trimmed = await self.redis.xautoclaim(
            self.stream, self.group, self.consumer, idle_ms, claims.cursor, count=1
        )
        claims.cursor = cursor.decode()
        claims.is_over = claims.cursor == "0-0"
        claims.trimmed += len(trimmed)
        return await self._again(entries)

    async def retry(self, entry_id: str, idle_ms: int) -> Entry | None:
        """An own one, unless another consumer has taken it over meanwhile."""
        entries: Any = await self.redis.xclaim(
            self.stream, self.group, self.consumer, idle_ms, [entry_id]
        )
        return await self._again(entries)

    async def renew(self, entry_id: str) -> None:
        """Tell the others that it is still worked at."""
        await self.redis.xclaim(self.stream, self.group, self.consumer, 0, [entry_id], justid=True)

    async def end(self, entry: Entry) -> None:
        async with self.redis.pipeline(transaction=True) as pipeline:
            self._end(pipeline, entry)
            await pipeline.execute()

    async def bury(self, entry: Entry, failures: Sequence[Failure], letters: DeadLetters) -> None:
        """Keep it as a dead letter, and end it; both or neither."""
        async with self.redis.pipeline(transaction=True) as pipeline:
            letters.add(pipeline, self.stream, entry, failures)
            self._end(pipeline, entry)
            await pipeline.execute()

    async def leave(self) -> None:
        """Unless something has begun and not ended: the group would forget that with us."""
        with suppress(ResponseError):
            begun = await self.redis.xpending_range(
                self.stream, self.group, "-", "+", 1, consumername=self.consumer
            )
            if not begun:
                await self.redis.xgroup_delconsumer(self.stream, self.group, self.consumer)

    def _end(self, pipeline: Any, entry: Entry) -> None:  # noqa: ANN401 (redis-py types it as a client)
        pipeline.xack(self.stream, self.group, entry.id)
        if self.is_private:
            pipeline.xdel(self.stream, entry.id)

    async def _again(self, entries: Any) -> Entry | None:  # noqa: ANN401 (of redis-py)
        if not entries:
            return None
        ((entry_id, fields),) = entries
        begun: Any = await self.redis.xpending_range(self.stream, self.group, entry_id, entry_id, 1)
        if not begun:
            # Who had it before has just ended it after all.
            return None
        return _entry(entry_id, fields, attempt=begun[0]["times_delivered"])


def _entry(entry_id: bytes, fields: dict[bytes, bytes], *, attempt: int) -> Entry:
    return Entry(entry_id.decode(), fields.get(FIELD, b""), attempt)
