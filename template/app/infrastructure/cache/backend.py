"""Where entries are: in a Redis, or in the memory of this process."""

from typing import cast

from cashews.backends.interface import Backend
from cashews.backends.memory import Memory
from cashews.backends.redis import Redis as RedisBackend
from cashews.serialize import Serializer
from redis.asyncio import Redis

Stored = bytes | None


class _AsIs(Serializer):
    """Entries are bytes already. The library's own would unpickle what it finds."""

    async def encode(
        self,
        backend: Backend,  # noqa: ARG002
        key: str,  # noqa: ARG002
        value: bytes,
        expire: float | None,  # noqa: ARG002
    ) -> bytes:
        return value


class SharedRedis(RedisBackend):
    """On a client of the service, with its time limits, its TLS and its connections."""

    def __init__(self, client: Redis) -> None:
        # The address is for a connection of its own, which is never made.
        super().__init__("redis://", suppress=False, serializer=_AsIs())  # type: ignore[no-untyped-call]
        self._client = client  # type: ignore[assignment]  # without the library's own exceptions

    async def get_many(self, *keys: str, default: Stored = None) -> tuple[Stored, ...]:  # noqa: ARG002
        """One command; the library's own makes a task of each value and numbers of digits."""
        return tuple(cast("list[Stored]", await self._client.mget(keys)))


def backend_of(client: Redis | None, *, memory_entries: int) -> Backend:
    if client is None:
        # What has expired goes when it is looked for or when there is no room.
        return Memory(size=memory_entries, check_interval=0)
    return SharedRedis(client)
