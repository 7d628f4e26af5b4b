from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup
from app.infrastructure.redis.settings import RedisUrl


class CacheSettings(SettingsGroup):
    """Read from `CACHE_*`. Without any Redis each process keeps a cache of its own."""

    redis_url: RedisUrl | None = None
    """A server that may forget, apart from the one that must not; unset: `REDIS_URL`."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 0.2
    """For each answer. One in the same network answers within milliseconds; a slower one costs
    more than it saves."""
    pause_seconds: Annotated[float, Field(gt=0)] = 5
    """For how long nothing is asked of a server that did not answer: one request in five seconds
    waits for it in vain, and it is back in use as soon after it is back."""
    memory_entries: Annotated[int, Field(ge=1)] = 10_000
    """How many a process keeps where there is no Redis; the least recently used go first. Some
    10 MB of answers of 1 kB."""
