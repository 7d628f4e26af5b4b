"""What a client does, down to the bytes: HTTP/1.1 on a connection of its own."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx2 import AsyncClient

from app.modules.user.models import User

# Longer than anything takes; nothing waits for it.
PATIENCE_SECONDS = 10


@dataclass(slots=True)
class Event:
    """One block of the stream."""

    fields: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        return self.fields.get("event")

    @property
    def id(self) -> str:
        return self.fields["id"]

    @property
    def data(self) -> Any:  # noqa: ANN401 (JSON)
        return json.loads(self.fields["data"])


class Reading:
    """A response that is being read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._text = ""
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.last_id = ""

    async def start(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        self.status = int(first.split()[1])
        pairs = (line.partition(": ") for line in lines)
        self.headers = [(name.lower(), value) for name, _, value in pairs]

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    async def block(self) -> Event | None:
        """The next one, comments and places too; None at the end of the response."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "\n\n" not in self._text:
                size = int(await self._reader.readuntil(b"\r\n"), 16)
                chunk = await self._reader.readexactly(size + 2)
                if not size:
                    return None
                self._text += chunk[:-2].decode()
        text, _, self._text = self._text.partition("\n\n")
        event = Event(dict(line.split(": ", 1) for line in text.split("\n")))
        self.last_id = event.fields.get("id", self.last_id)
        return event

    async def place(self) -> str:
        """Where the stream stands, once it says so."""
        while not self.last_id:
            assert await self.block() is not None
        return self.last_id

    async def event(self) -> Event:
        """The next that is one."""
        while True:
            block = await self.block()
            assert block is not None, "the stream has ended"
            if block.name is not None:
                return block

    async def end(self) -> list[str]:
        """The names of all events until the service ends the response."""
        names = []
        while (block := await self.block()) is not None:
            names += [block.name] if block.name else []
        return names


@dataclass(frozen=True, slots=True)
class Person:
    user: User
    http: AsyncClient
    address: str

    @asynccontextmanager
    async def reading(
        self,
        process: str = "",
        *,
        address: str | None = None,
        last_id: str | None = None,
        query: str = "",
        limit: int = 2**20,
    ) -> AsyncGenerator[Reading]:
        """Leaving it drops the connection."""
        host, port = (address or self.address).split(":")
        headers = {
            "Host": "test",
            "Authorization": self.http.headers["authorization"],
            "Accept-Encoding": "gzip",
            "X-Process": process,
        }
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        lines = [f"GET /api/v1/notices/stream{query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode())
            reading = Reading(reader, writer)
            await reading.start()
            yield reading
        finally:
            writer.transport.abort()
