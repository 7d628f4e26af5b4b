"""Processes of their own, started as in production."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest

from app.bootstrap.settings import Settings
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from tests.servers import free_port

from .conftest import House, Tea
from .reading import Person

pytestmark = pytest.mark.anyio


class Server(NamedTuple):
    process: asyncio.subprocess.Process
    address: str


@pytest.fixture
async def server(
    settings: Settings, database_url: str, real_redis_settings: RedisSettings
) -> AsyncGenerator[Server]:
    assert real_redis_settings.url is not None
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "REDIS_URL": real_redis_settings.url.get_secret_value(),
        "REDIS_PREFIX": real_redis_settings.prefix,
        "SECRET_KEY": settings.secret.key.get_secret_value(),
    }
    command = (sys.executable, "-m", "app.cli", "serve", "--port", str(port))
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
    yield Server(process, f"127.0.0.1:{port}")
    if process.returncode is None:
        process.kill()
    await process.wait()


class TestServer:
    async def test_resumes_what_another_one_began_and_stops_at_once(
        self, ada: Person, house: House, redis_clients: RedisClients, server: Server
    ) -> None:
        streams = await house.open("here", redis_clients)
        async with ada.reading("here") as reading:
            await reading.place()
        await streams.publish(ada.user.id, Tea(cups=1))
        async with ada.reading(address=server.address, last_id=reading.last_id) as there:
            encoding = there.header("content-encoding")
            heard = [await there.event()]
            # Nothing more comes, and nobody closes the connection.
            await streams.publish(ada.user.id, Tea(cups=2))
            heard.append(await there.event())
            asked = time.monotonic()
            server.process.terminate()
            rest = await there.end()
            async with asyncio.timeout(20):
                await server.process.wait()

        assert [it.data["cups"] for it in heard] == [1, 2]
        assert encoding == []
        assert rest == []
        # The server itself would wait 25 seconds for an open response.
        assert time.monotonic() - asked < 10
