"""Public events that this service could not handle, in a stream of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from .entry import FIELD, Entry
from .receiver import Failure


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    stream: str
    code: str
    error: str
    handlers: str
    attempts: int
    body: bytes

    @property
    def failed_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.id.split("-")[0]) / 1000, UTC)


class DeadLetters:
    """Methods that answer raise `redis.RedisError`."""

    def __init__(self, redis: Redis, *, key: str, retry_key: str, max_length: int) -> None:
        self._redis = redis
        self._key = key
        self._retry_key = retry_key
        self._max_length = max_length

    def add(
        self,
        pipeline: Any,  # noqa: ANN401 (redis-py types it as a client)
        stream: str,
        entry: Entry,
        failures: Sequence[Failure],
    ) -> None:
        """As a part of what `pipeline` does; the oldest go if there are too many."""
        first = failures[0]
        fields = {
            FIELD: entry.body,
            "stream": stream,
            "code": first.code,
            "error": first.error,
            "handlers": ",".join(failure.handler for failure in failures),
            "attempts": entry.attempt,
        }
        pipeline.xadd(self._key, fields, maxlen=self._max_length, approximate=True)

    async def listed(self) -> Sequence[DeadLetter]:
        """The oldest first."""
        entries: Any = await self._redis.xrange(self._key)
        return [_letter(*entry) for entry in entries]

    async def requeue(self, letter: DeadLetter) -> None:
        """Give it to this service's consumers again, and to no other service."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self._retry_key, {FIELD: letter.body})
            pipeline.xdel(self._key, letter.id)
            await pipeline.execute()

    async def drop(self, letter: DeadLetter) -> None:
        await self._redis.xdel(self._key, letter.id)


def _letter(entry_id: bytes, fields: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        id=entry_id.decode(),
        stream=fields[b"stream"].decode(),
        code=fields[b"code"].decode(),
        error=fields[b"error"].decode(),
        handlers=fields[b"handlers"].decode(),
        attempts=int(fields[b"attempts"]),
        body=fields[FIELD],
    )
