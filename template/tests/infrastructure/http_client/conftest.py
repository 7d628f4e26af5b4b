import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from app.core.operations import Operations
from app.infrastructure.http_client.clients import HttpClients
from app.infrastructure.http_client.guard import Resolve
from app.infrastructure.http_client.settings import HttpClientSettings
from app.infrastructure.http_client.upstream import Upstream
from tests.infrastructure.http_client.servers import LocalServer, local_server, reply

# Reading the machine's authorities takes longer than a test.
TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Pauses(list[float]):
    """Sleeps that only note how long, and a jitter that is always the longest."""

    async def sleep(self, seconds: float) -> None:
        self.append(round(seconds, 3))

    @staticmethod
    def longest(_: float, most: float) -> float:
        return most


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def weather(
    clients: HttpClients, server: LocalServer, pauses: Pauses, **settings: object
) -> Upstream:
    """The server, asked without waiting between attempts."""
    return Upstream(
        "weather",
        f"{server.url}/v1/",
        clients.pooled,
        HttpClientSettings.model_validate(settings),
        headers={"X-Key": "hunter2"},
        sleep=pauses.sleep,
        uniform=pauses.longest,
    )


@pytest.fixture
async def server() -> AsyncGenerator[LocalServer]:
    async with local_server(reply()) as server:
        yield server


@asynccontextmanager
async def clients_with(
    settings: HttpClientSettings | None = None,
    *,
    tls: ssl.SSLContext = TRUSTS_NOBODY,
    resolve: Resolve | None = None,
    operations: Operations | None = None,
) -> AsyncGenerator[HttpClients]:
    clients = HttpClients(
        settings or HttpClientSettings(),
        user_agent="Kitchen",
        tls=tls,
        resolve=resolve,
        operations=operations,
    )
    yield clients
    await clients.aclose()


def loopback(server: LocalServer) -> HttpClientSettings:
    """The guarded client may call this server."""
    return HttpClientSettings(allowed_networks=("127.0.0.1/32",), allowed_ports=(str(server.port),))


@pytest.fixture(scope="module")
async def clients() -> AsyncGenerator[HttpClients]:
    async with clients_with() as clients:
        yield clients
