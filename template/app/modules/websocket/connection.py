import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple
from uuid import UUID, uuid4

import structlog
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.modules.user.authentication import Caller

from .settings import WebsocketSettings

logger = structlog.get_logger()


class Closing(NamedTuple):
    """RFC 6455 section 7.4; 4000 and above are ours."""

    code: int
    reason: str


SHUTDOWN = Closing(1001, "The service stops here: connect again.")
LIFETIME_OVER = Closing(1001, "Connect again.")
NOT_TEXT = Closing(1003, "Send text.")
TOO_MANY_ERRORS = Closing(1008, "Too many errors.")
TOO_LARGE = Closing(1009, "The message is too large.")
DEFECT = Closing(1011, "Something went wrong here.")
TOO_SLOW = Closing(1013, "You read too slowly: connect again.")
LOGIN_OVER = Closing(4401, "Log in again.")


class Connection:
    """One socket, and a queue of what is sent to it, which a task of its own empties.

    Nobody ever waits for a slow peer.
    """

    def __init__(self, socket: WebSocket, caller: Caller, settings: WebsocketSettings) -> None:
        self.id: UUID = uuid4()
        self.caller = caller
        self.rooms: set[str] = set()
        self.reviews = 0
        """How often the memberships were asked anew."""
        self._socket = socket
        self._queue_size = settings.queue_size
        self._timeout = settings.send_timeout_seconds
        self._lifetime = settings.lifetime_seconds
        self._queue: asyncio.Queue[str | Closing] = asyncio.Queue()
        self._closing: Closing | None = None
        # RFC 6455 section 7.1.5: nobody has said anything.
        self._peer_code = 1006
        self._reader: asyncio.Task[None] | None = None
        self._is_waiting = False

    @property
    def is_ending(self) -> bool:
        return self._closing is not None

    def send(self, text: str) -> None:
        """Ends the connection if too much waits already."""
        if self.is_ending:
            return
        if self._queue.qsize() >= self._queue_size:
            self.end(TOO_SLOW)
        else:
            self._queue.put_nowait(text)

    def end(self, closing: Closing, *, keeps_queued: bool = False) -> None:
        """Nothing more is read at once, and nothing sent but what waits already, if that."""
        if self.is_ending:
            return
        self._closing = closing
        while not keeps_queued and not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(closing)
        self._stop_reading()

    async def run(self, answer: Callable[[Message], Awaitable[None]]) -> int:
        """Hand each message to `answer` until one side ends it; the code it was closed with."""
        self._reader = reader = asyncio.create_task(self._read(answer))
        writer = asyncio.create_task(self._write())
        tasks = {reader, writer}
        try:
            done, _ = await asyncio.wait(
                tasks, timeout=self._lifetime, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                self.end(LIFETIME_OVER)
            elif reader in done and not reader.cancelled() and (defect := reader.exception()):
                logger.error("unhandled error", exc_info=defect)
                self.end(DEFECT)
            if self.is_ending:
                self._stop_reading()
                await asyncio.wait((reader,), timeout=self._timeout)
                # The server cannot drop a peer that reads nothing: it keeps what was sent. So the
                # connection counts until the close frame is out or the peer gives up.
                tasks.add(asyncio.create_task(self._read(_ignore)))
                await asyncio.wait(tasks - {reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return self._peer_code if self._closing is None else self._closing.code

    def _stop_reading(self) -> None:
        # What is being answered is answered to the end: a query is no good place to stop.
        if self._reader is not None and self._is_waiting:
            self._reader.cancel()

    async def _read(self, answer: Callable[[Message], Awaitable[None]]) -> None:
        while True:
            self._is_waiting = True
            message = await self._socket.receive()
            self._is_waiting = False
            if message["type"] == "websocket.disconnect":
                self._peer_code = message["code"]
                return
            await answer(message)
            if self.is_ending and answer is not _ignore:
                return

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        # A peer that is gone is the reader's business.
        with suppress(WebSocketDisconnect):
            while True:
                item = await self._queue.get()
                if isinstance(item, Closing):
                    await self._socket.close(*item)
                    return
                timer = loop.call_later(self._timeout, self.end, TOO_SLOW)
                try:
                    await self._socket.send_text(item)
                finally:
                    timer.cancel()


async def _ignore(_: Message) -> None:
    pass
