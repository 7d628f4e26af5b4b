import asyncio
import os
import select
import signal
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from multiprocessing import parent_process
from types import FrameType
from typing import cast

import structlog

from app.core.feature import State

logger = structlog.get_logger()

Handler = Callable[[int, FrameType | None], object]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# Between the last connection that is accepted and the end of those that have asked nothing. On a
# busy machine a request is read some tenths of a second after its connection came.
_LAST_REQUESTS_SECONDS = 0.5

# For which those are taken who call just when the port is to be closed: each lasts milliseconds.
_MOST_TURNS = 100


class Stopping:
    """The end of a process that serves, in an order in which nobody is refused.

    First it only says that it is going to stop, for `drain_seconds`, and does its work. Then those
    who asked for it are told, and the server closes the port and waits for what is open.
    """

    def __init__(self, drain_seconds: float) -> None:
        self.drain_seconds = drain_seconds
        self.is_draining = False
        self.is_announced = False
        """Whether it stops for good: one that is replaced has a successor."""
        self.is_stopping = False
        self._callbacks: list[Callable[[], None]] = []
        self._handlers: dict[int, tuple[Handler, Handler]] = {}
        self._caught: Counter[int] = Counter()

    @contextmanager
    def telling(self, callback: Callable[[], None]) -> Generator[None]:
        """Call it when the port is about to be closed.

        The server waits for open responses and tells them nothing: one that waits for something to
        send would hold up the end.
        """
        self._callbacks.append(callback)
        try:
            yield
        finally:
            self._callbacks.remove(callback)

    @contextmanager
    def watching_signals(self) -> Generator[None]:
        """See the signals before the server does. The second one ends the process at once."""
        # Python allows it there alone, and servers stay there.
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            self._chain(each, loop)
        try:
            yield
        finally:
            for number, (ours, before) in self._handlers.items():
                # Somebody may have come after us, and hand on to us.
                if signal.getsignal(number) is ours:
                    signal.signal(number, before)
            self._handlers.clear()

    def retire(self) -> None:
        """End this process, for another one to take its place; nothing where nobody watches."""
        if signal.SIGTERM in self._handlers:
            self._begin(signal.SIGTERM)

    def _chain(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        before = signal.getsignal(number)
        if not callable(before) or before is signal.default_int_handler:
            # No server catches it: the process ends at once.
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if not self._handlers:
                before(number, frame)
                return
            self._caught[number] += 1
            # Ctrl-C reaches a worker twice: as SIGINT, and as SIGTERM from the process above it.
            # Where the platform sends SIGTERM to each process, that one comes twice as well; the
            # process above kills its workers if somebody is impatient.
            is_repeated = self._caught[number] > 1 and not (
                number == signal.SIGTERM and parent_process() is not None
            )
            is_impatient = is_repeated or (
                number == signal.SIGINT and self._caught[signal.SIGTERM] > 0
            )
            if is_impatient:
                os._exit(128 + number)
            # Not in the context of the request that happened to be interrupted.
            begin = partial(self._begin, number, is_announced=True)
            loop.call_soon_threadsafe(begin, context=Context())

        self._handlers[number] = (handle, before)
        signal.signal(number, handle)

    def _begin(self, number: int, *, is_announced: bool = False) -> None:
        self.is_announced = self.is_announced or is_announced
        if self.is_draining:
            return
        self.is_draining = True
        logger.info("stopping", after_seconds=self.drain_seconds)
        if self.drain_seconds:
            asyncio.get_running_loop().call_later(self.drain_seconds, self._close_port, number)
        else:
            self._stop(number)

    def _close_port(self, number: int, turns: int = _MOST_TURNS) -> None:
        """The server would hang up on those whose connection is here and their request not yet."""
        import uvicorn  # noqa: PLC0415 (there already, where it serves)

        loop = asyncio.get_running_loop()
        _, before = self._handlers.get(number, (None, None))
        server = getattr(before, "__self__", None)
        if isinstance(server, uvicorn.Server):
            sockets = [each for listener in server.servers for each in listener.sockets]
            if turns and any(_is_called(each.fileno()) for each in sockets):
                # Closing the port would hang up on them. The loop takes them in its next turn.
                loop.call_soon(self._close_port, number, turns - 1)
                return
            for listener in server.servers:
                listener.close()
        loop.call_later(_LAST_REQUESTS_SECONDS, self._stop, number)

    def _stop(self, number: int) -> None:
        self.is_stopping = True
        for callback in tuple(self._callbacks):
            callback()
        if (found := self._handlers.get(number)) is not None:
            _, before = found
            before(number, None)


def _is_called(descriptor: int) -> bool:
    """Whether somebody waits at a port to be taken."""
    port = select.poll()
    port.register(descriptor, select.POLLIN)
    return bool(port.poll(0))


def stopping_of(state: State) -> Stopping:
    return cast("Stopping", state["stopping"])
