from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.operations import Operations

from .observed import ObservedRedis
from .settings import RedisSettings


def client(address: str, settings: RedisSettings, operations: Operations | None) -> Redis:
    timeout = settings.timeout_seconds
    options: dict[str, Any] = {
        "max_connections": settings.max_connections,
        # For a connection of the pool, when all are in use.
        "timeout": timeout,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # Once, at once: a server that was restarted has closed the connections in the pool.
        "retry": Retry(NoBackoff(), 1),
    }
    if urlsplit(address).scheme == "rediss":
        options |= settings.tls_options
    pool = BlockingConnectionPool.from_url(address, **options)
    return ObservedRedis(operations, pool) if operations else Redis.from_pool(pool)
