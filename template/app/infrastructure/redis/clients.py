from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from pydantic import SecretStr

from app.core.feature import State
from app.core.operations import Operations

from .late_client import LateClient
from .settings import RedisSettings

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisClients:
    """The connections of this process: one client for each server that its features use."""

    def __init__(self, settings: RedisSettings, operations: Operations | None = None) -> None:
        self._settings = settings
        self._operations = operations
        self._clients: dict[str, LateClient] = {}

    def of(self, url: SecretStr | None = None) -> "Redis | None":
        """The client of `url`, or of `REDIS_URL`; None if there is neither.

        Nothing connects before the first command. A command raises `redis.RedisError` within the
        configured timeout, and the next one connects again. Answers are bytes.
        """
        chosen = url or self._settings.url
        if chosen is None:
            return None
        address = chosen.get_secret_value()
        if address not in self._clients:
            self._clients[address] = LateClient(partial(self._client, address))
        return self._clients[address].as_client

    def key(self, *parts: str) -> str:
        """A key of this service: its prefix and `parts`, with colons between them."""
        return ":".join((self._settings.prefix, *parts))

    def __iter__(self) -> "Iterator[Redis]":
        return (it.as_client for it in self._clients.values())

    def load(self) -> None:
        """Import the library now, where no request waits for it."""
        for client in self._clients.values():
            client.load()

    async def aclose(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    def _client(self, address: str) -> "Redis":
        from .connecting import client  # noqa: PLC0415 (late)

        return client(address, self._settings, self._operations)


def redis_clients_of(state: State) -> RedisClients:
    """What the feature's lifespan opened."""
    return cast("RedisClients", state["redis_clients"])
