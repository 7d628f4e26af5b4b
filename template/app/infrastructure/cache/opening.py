from app.infrastructure.redis.clients import RedisClients

from .backend import backend_of
from .cache import Cache
from .reach import Reach
from .settings import CacheSettings
from .stats import CacheStats
from .store import Store


def open_cache(settings: CacheSettings, clients: RedisClients) -> Cache:
    """Nothing connects before the first read."""
    client = clients.of(settings.redis_url)
    stats = CacheStats()
    reach = Reach(
        stats,
        timeout_seconds=settings.timeout_seconds,
        pause_seconds=settings.pause_seconds,
    )
    store = Store(
        backend_of(client, memory_entries=settings.memory_entries),
        reach,
        stats,
        prefix=clients.key("cache"),
        is_shared=client is not None,
    )
    return Cache(store)
