"""A cache of a test's own, and values to put into it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

from pydantic import BaseModel

from app.infrastructure.cache.cache import Cache
from app.infrastructure.cache.entry import EVERYBODY, CacheEntry, Key
from app.infrastructure.cache.opening import open_cache
from app.infrastructure.cache.settings import CacheSettings
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings

ADA, BEN = UUID(int=1), UUID(int=2)


class Weather(BaseModel):
    degrees: int


WEATHER = CacheEntry[Weather](name="weather", type_=Weather, ttl_seconds=300)
LONDON: Key[Weather] = WEATHER.key("London", audience=EVERYBODY)


class Source:
    """Says how often it was asked. With a `gate` it answers when that opens."""

    def __init__(self, *values: object, gate: asyncio.Event | None = None) -> None:
        self.calls = 0
        self.started = asyncio.Event()
        self._values = values
        self._gate = gate

    async def __call__(self) -> object:
        value = self._values[min(self.calls, len(self._values) - 1)]
        self.calls += 1
        self.started.set()
        if self._gate is not None:
            await self._gate.wait()
        if isinstance(value, BaseException):
            raise value
        return value


def degrees(*values: int, gate: asyncio.Event | None = None) -> Source:
    return Source(*(Weather(degrees=value) for value in values), gate=gate)


@asynccontextmanager
async def opened(redis: RedisSettings, **settings: float) -> AsyncGenerator[Cache]:
    """What one process has. A busy machine is no outage: it waits longer than a service does."""
    clients = RedisClients(redis)
    yield open_cache(CacheSettings.model_validate({"timeout_seconds": 10} | settings), clients)
    await clients.aclose()
