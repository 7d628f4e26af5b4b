"""What a client does, in the words of the protocol."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from httpx2 import AsyncClient
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.modules.user.authentication import Caller
from app.modules.user.models import User
from app.modules.websocket.kinds import RoomKind

# Longer than anything takes; nothing waits for it.
PATIENCE_SECONDS = 10


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cups: int


class TeaRoom(RoomKind):
    """Open to all whose names it does not know to be banned."""

    name: ClassVar[str] = "tea"
    accepts: ClassVar[type[BaseModel] | None] = Order

    def __init__(self) -> None:
        self.banned: set[str] = set()
        self.silenced: set[str] = set()
        self.on_asked: Callable[[], None] | None = None

    async def may_join(self, session: AsyncSession, caller: Caller, key: str) -> bool:  # noqa: ARG002
        is_allowed = caller.user.name not in self.banned
        if self.on_asked is not None:
            self.on_asked()
        return is_allowed

    async def may_publish(self, session: AsyncSession, caller: Caller, key: str) -> bool:
        is_allowed = await super().may_publish(session, caller, key)
        return is_allowed and caller.user.name not in self.silenced


class Talk:
    """A connection that was welcomed."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            heard: dict[str, Any] = json.loads(await self.socket.recv())
        return heard

    async def ask(self, **message: object) -> dict[str, Any]:
        await self.say(**message)
        return await self.hear()

    async def join(self, room: str) -> None:
        assert await self.ask(type="subscribe", room=room, ref=1) == {
            "type": "subscribed",
            "room": room,
            "ref": 1,
        }

    async def closing(self) -> int:
        """The code of the close frame that ends it, whatever comes before."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while True:
                    await self.socket.recv()
            except ConnectionClosed as exc:
                return 1006 if exc.rcvd is None else exc.rcvd.code


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    http: AsyncClient
    address: str

    @property
    def room(self) -> str:
        return f"user:{self.user.id}"

    @property
    def token(self) -> str:
        return self.http.headers["authorization"].removeprefix("Bearer ")

    @asynccontextmanager
    async def talk(
        self,
        process: str = "",
        address: str | None = None,
        **options: Any,  # noqa: ANN401
    ) -> AsyncGenerator[Talk]:
        headers = {"authorization": f"Bearer {self.token}", "x-process": process}
        url = f"ws://{address or self.address}/api/v1/ws"
        options = {"additional_headers": headers, "proxy": None, "close_timeout": 1} | options
        async with connect(url, **options) as socket:
            talk = Talk(socket)
            welcome = await talk.hear()
            assert (welcome["type"], welcome["user_id"]) == ("welcome", str(self.user.id))
            yield talk
