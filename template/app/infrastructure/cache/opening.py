from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard

from .backend import backend_of
from .cache import Cache
from .settings import CacheSettings
from .store import Store


def open_cache(settings: CacheSettings, clients: RedisClients) -> Cache:
    """Nothing connects before the first read."""
    client = clients.of(settings.redis_url)
    guard = OutageGuard(
        "cache",
        timeout_seconds=settings.timeout_seconds,
        retry_seconds=settings.pause_seconds,
    )
    store = Store(
        backend_of(client, memory_entries=settings.memory_entries),
        guard,
        prefix=clients.key("cache"),
        is_shared=client is not None,
    )
    return Cache(store)
