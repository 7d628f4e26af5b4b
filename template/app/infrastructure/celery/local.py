"""The stand-in for a broker and its workers: the process that asks for a task does it."""

import asyncio
from contextlib import suppress

import structlog

from .errors import TaskRetryError
from .execution import TaskRunner
from .queue import Sender
from .tasks import TaskMessage

# What is not done by then is lost, as everything is that a process keeps in its memory.
_CLOSE_SECONDS = 5


class LocalSender(Sender):
    """Beside the request, or `inline`: before its answer."""

    def __init__(self, runner: TaskRunner, *, inline: bool) -> None:
        self._runner = runner
        self.is_inline = inline
        self._running: set[asyncio.Task[None]] = set()

    async def send(self, message: TaskMessage) -> None:
        running = asyncio.create_task(self._run(message))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        if self.is_inline:
            await running

    async def ping(self) -> None:
        """Nothing can be out of reach."""

    async def idle(self) -> None:
        """Wait until everything that was sent is done."""
        while self._running:
            await asyncio.wait(self._running)

    async def aclose(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.idle()
        for running in self._running:
            running.cancel()
        await self.idle()

    async def _run(self, message: TaskMessage) -> None:
        structlog.contextvars.bind_contextvars(
            request_id=message.request_id, task_id=str(message.id)
        )
        attempt = 1
        while True:
            try:
                await self._runner.run(message, attempt)
            except TaskRetryError as exc:
                await asyncio.sleep(exc.wait_seconds)
                attempt += 1
            except Exception:  # noqa: BLE001 (logged and kept by the runner)
                return
            else:
                return
