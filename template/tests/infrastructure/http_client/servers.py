"""Real servers on 127.0.0.1, in the loop of the test, that fail in every way there is."""

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[StreamWriter], Awaitable[None]]


@dataclass
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LocalServer:
    """Answers each request with the next of `behaviours`, and with the last one from then on."""

    port: int = 0
    scheme: str = "http"
    behaviours: list[Behaviour] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    talks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def answers(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    async def talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        if task := asyncio.current_task():
            self.talks.add(task)
        # The client may go away at any moment, and so does the server.
        with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            while True:
                self.received.append(await _read(reader))
                behave = self.behaviours[0]
                if len(self.behaviours) > 1:
                    del self.behaviours[0]
                await behave(writer)
                await writer.drain()
        writer.close()

    async def hang_up(self) -> None:
        for talk in self.talks:
            talk.cancel()
        await asyncio.gather(*self.talks)


async def _read(reader: StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body)


@asynccontextmanager
async def local_server(
    *behaviours: Behaviour, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[LocalServer]:
    server = LocalServer(behaviours=list(behaviours), scheme="http" if tls is None else "https")
    listening = await asyncio.start_server(server.talk, host, 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        await server.hang_up()


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Behaviour:
    """`retry_after="1"` is the header `retry-after`."""

    async def behave(writer: StreamWriter) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        fields = {"content-length": str(len(body)), **given}
        lines = [f"HTTP/1.1 {status} Whatever"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return behave


async def hang(writer: StreamWriter) -> None:
    """Until the client goes away."""
    await writer.wait_closed()


async def cut(writer: StreamWriter) -> None:
    """Break off in the middle of an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()


async def mumble(writer: StreamWriter) -> None:
    writer.write(b"220 mail.example.com ESMTP\r\n\r\n")


async def drip(writer: StreamWriter) -> None:
    """A byte now and then, for longer than anybody waits."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    for _ in range(100_000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def gush(writer: StreamWriter) -> None:
    """Without an end, and without saying how much."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b" " * 0x400 + b"\r\n")
        await writer.drain()
