from typing import TYPE_CHECKING

from app.core.late import Late
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard

from .cache import Cache
from .settings import CacheSettings
from .store import Store

if TYPE_CHECKING:
    from cashews.backends.interface import Backend


def open_cache(settings: CacheSettings, clients: RedisClients) -> Cache:
    """Nothing connects before the first read."""
    client = clients.of(settings.redis_url)
    guard = OutageGuard(
        "cache",
        timeout_seconds=settings.timeout_seconds,
        retry_seconds=settings.pause_seconds,
    )

    def make() -> "Backend":
        from .backend import backend_of  # noqa: PLC0415 (late)

        return backend_of(client, memory_entries=settings.memory_entries)

    store = Store(
        Late(make),
        guard,
        prefix=clients.key("cache"),
        is_shared=client is not None,
    )
    return Cache(store)
