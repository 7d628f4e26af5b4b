"""A real server in the tests' own loop, real clients, streams with settings of the test's own."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app.infrastructure.database.database import Database
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from app.modules.notice_stream.feature import open_streams
from app.modules.notice_stream.logins import StreamLogins
from app.modules.notice_stream.privacy import NoticesData
from app.modules.notice_stream.schemas import Notice
from app.modules.notice_stream.service import NoticeStreams
from app.modules.notice_stream.settings import NoticeStreamSettings
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .reading import Person

PROCESS = b"x-process"


class Tea(Notice):
    type: Literal["tea"] = "tea"
    cups: int


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncGenerator[str]:
    """The address of a server for `app`."""
    listener = socket.create_server(("127.0.0.1", 0))
    # A peer that does not read shall soon be noticed: what is accepted here has the same buffers.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
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
    """The service, its people, and one `NoticeStreams` for each process of it."""

    def __init__(
        self, app: FastAPI, state: dict[str, Any], processes: dict[bytes, Any], address: str
    ) -> None:
        self.app = app
        self.state = state
        self.processes = processes
        self.address = address
        self.stack = AsyncExitStack()

    async def open(
        self,
        process: str = "",
        redis: RedisClients | None = None,
        **settings: Any,  # noqa: ANN401
    ) -> NoticeStreams:
        """Whoever connects to `process` from now on is in these."""
        state = {**self.state, "redis_clients": redis or RedisClients(RedisSettings())}
        # Shorter than anybody would configure them, where time is what a test is about.
        group = NoticeStreamSettings.model_construct(**settings)
        streams = await self.stack.enter_async_context(open_streams(state, group))
        self.processes[process.encode()] = {"notice_streams": streams}
        plug(self.state, streams)
        return streams

    async def person(self, **values: object) -> Person:
        async with self.state["database"].write_sessions() as session:
            user = await create_user(session, **values)
        client = await self.stack.enter_async_context(client_of(self.app, self.state))
        await log_in(client, self.state, user)
        return Person(user, client, self.address)


def plug(state: dict[str, Any], streams: NoticeStreams) -> None:
    """Other features tell these."""
    (events,), (data,) = (state["extensions"].of(kind) for kind in (StreamLogins, NoticesData))
    events.open(streams)
    data.open(streams.history)


@pytest.fixture(scope="session")
def notice_processes() -> dict[bytes, Any]:
    return {}


@pytest.fixture(scope="session")
async def notice_address(
    app: FastAPI, state: dict[str, Any], notice_processes: dict[bytes, Any]
) -> AsyncGenerator[str]:
    async with listening(with_state(app, state, notice_processes)) as address:
        yield address


@pytest.fixture
async def house(
    app: FastAPI,
    state: dict[str, Any],
    committed: Database,  # noqa: ARG001 (streams work at the same time)
    notice_processes: dict[bytes, Any],
    notice_address: str,
) -> AsyncGenerator[House]:
    house = House(app, state, notice_processes, notice_address)
    async with house.stack:
        yield house
    notice_processes.clear()
    plug(state, state["notice_streams"])


@pytest.fixture
async def streams(house: House) -> NoticeStreams:
    return await house.open()


@pytest.fixture
async def ada(house: House) -> Person:
    return await house.person(name="Ada")


async def until(condition: Callable[[], bool]) -> None:
    """Returns once it holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)
