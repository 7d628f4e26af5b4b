"""A real server in the tests' own loop, real clients, and rooms with settings of the test's own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from app.modules.websocket.feature import open_rooms
from app.modules.websocket.logins import RoomLogins
from app.modules.websocket.service import Rooms
from app.modules.websocket.settings import WebsocketSettings
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .talk import Person, TeaRoom

PROCESS = b"x-process"


@asynccontextmanager
async def listening(app: ASGIApp, **options: Any) -> AsyncGenerator[str]:  # noqa: ANN401 (uvicorn's)
    """The address of a server for `app`."""
    listener = socket.create_server(("127.0.0.1", 0))
    # A peer that does not read shall soon be noticed: what is accepted here has the same buffers.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task


def with_state(app: FastAPI, state: Mapping[str, Any], others: Mapping[bytes, Any]) -> ASGIApp:
    """One server for several "processes", which differ in their state: `others` by a header."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        process = dict(scope["headers"]).get(PROCESS, b"")
        scope["state"] = {**state, **others.get(process, {})}
        await app(scope, receive, send)

    return serve


class House:
    """The service, its people, and one `Rooms` for each process of it."""

    def __init__(
        self, app: FastAPI, state: dict[str, Any], processes: dict[bytes, Any], address: str
    ) -> None:
        self.app = app
        self.state = state
        self.processes = processes
        self.address = address
        self.tea = TeaRoom()
        self.stack = AsyncExitStack()

    async def open(
        self,
        process: str = "",
        redis: RedisClients | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> Rooms:
        """Whoever connects to `process` from now on is in these."""
        state = {
            **self.state,
            "redis_clients": redis or RedisClients(RedisSettings()),
            "extensions": Extensions([*self.state["extensions"].of(object), self.tea]),
        }
        # Shorter than anybody would configure them, where time is what a test is about.
        group = WebsocketSettings.model_construct(**settings)
        rooms = await self.stack.enter_async_context(open_rooms(state, group))
        self.processes[process.encode()] = {"rooms": rooms}
        (events,) = state["extensions"].of(RoomLogins)
        events.open(rooms)
        return rooms

    async def person(self, **values: object) -> Person:
        async with self.state["database"].write_sessions() as session:
            user = await create_user(session, **values)
        client = await self.stack.enter_async_context(client_of(self.app, self.state))
        await log_in(client, self.state, user)
        return Person(user, client, self.address)


@pytest.fixture(scope="session")
def processes() -> dict[bytes, Any]:
    return {}


@pytest.fixture(scope="session")
async def address(
    app: FastAPI, state: dict[str, Any], processes: dict[bytes, Any]
) -> AsyncGenerator[str]:
    async with listening(with_state(app, state, processes), ws_max_size=100_000) as address:
        yield address


@pytest.fixture
async def house(
    app: FastAPI,
    state: dict[str, Any],
    committed: Database,  # noqa: ARG001 (connections work at the same time)
    processes: dict[bytes, Any],
    address: str,
) -> AsyncGenerator[House]:
    house = House(app, state, processes, address)
    async with house.stack:
        yield house
    processes.clear()
    (events,) = state["extensions"].of(RoomLogins)
    events.open(state["rooms"])


async def until(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)
