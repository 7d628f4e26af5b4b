from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.feature import State
from app.core.operations import Operations

from .observed import ObservedRedis
from .settings import RedisSettings


class RedisClients:
    """The connections of this process: one client for each server that its features use."""

    def __init__(self, settings: RedisSettings, operations: Operations | None = None) -> None:
        self._settings = settings
        self._operations = operations
        self._clients: dict[str, Redis] = {}

    def of(self, url: SecretStr | None = None) -> Redis | None:
        """The client of `url`, or of `REDIS_URL`; None if there is neither.

        Nothing connects before the first command. A command raises `redis.RedisError` within the
        configured timeout, and the next one connects again. Answers are bytes.
        """
        chosen = url or self._settings.url
        if chosen is None:
            return None
        address = chosen.get_secret_value()
        if address not in self._clients:
            self._clients[address] = self._connect(address)
        return self._clients[address]

    def key(self, *parts: str) -> str:
        """A key of this service: its prefix and `parts`, with colons between them."""
        return ":".join((self._settings.prefix, *parts))

    def __iter__(self) -> Iterator[Redis]:
        return iter(self._clients.values())

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _connect(self, address: str) -> Redis:
        timeout = self._settings.timeout_seconds
        options: dict[str, Any] = {
            "max_connections": self._settings.max_connections,
            # For a connection of the pool, when all are in use.
            "timeout": timeout,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            # Once, at once: a server that was restarted has closed the connections in the pool.
            "retry": Retry(NoBackoff(), 1),
        }
        if urlsplit(address).scheme == "rediss":
            options |= self._settings.tls_options
        pool = BlockingConnectionPool.from_url(address, **options)
        if self._operations:
            return ObservedRedis(self._operations, pool)
        return Redis.from_pool(pool)


def redis_clients_of(state: State) -> RedisClients:
    """What the feature's lifespan opened."""
    return cast("RedisClients", state["redis_clients"])
