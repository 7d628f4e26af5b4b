"""What lives as long as a container of AWS Lambda, which answers one request after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import copy_context
from typing import TypeVar

import structlog

from app.core.feature import Feature, State

logger = structlog.get_logger()

Result = TypeVar("Result")

# The client waits meanwhile, and the answer is ready: whoever takes longer is not well.
_SETTLE_SECONDS = 5


class Container:
    """An event loop, and what the service has opened on it.

    Between requests the process stands still, and so does everything on the loop. It may never go
    on: so nothing is kept for later, and each request ends with what the features do to `settle`.
    """

    def __init__(
        self, features: Sequence[Feature], opening: AbstractAsyncContextManager[State]
    ) -> None:
        """Open everything; raises what went wrong with it."""
        # Closed in the order opposite to the one in which they were opened.
        self._settling = [it.settle for it in reversed(features) if it.settle is not None]
        self._runner = asyncio.Runner()
        self._closing = asyncio.Event()
        loop = self._runner.get_loop()
        opened: asyncio.Future[State] = loop.create_future()
        # One task for all of it: what is entered in a task must be left in the same one.
        self._life = loop.create_task(self._live(opening, opened))
        try:
            self.state = loop.run_until_complete(opened)
        except BaseException:
            self._runner.close()
            raise

    def run(self, job: Callable[[State], Awaitable[Result]]) -> Result:
        """Do a job, and all that must not wait for the next one."""

        async def run() -> Result:
            try:
                return await job(self.state)
            finally:
                await self._settle()

        # A context of its own: nothing of it is left for the next one.
        return self._runner.run(run(), context=copy_context())

    def close(self) -> None:
        """Close what is open; only once."""
        self._closing.set()
        self._runner.get_loop().run_until_complete(self._life)
        self._runner.close()

    async def _live(
        self, opening: AbstractAsyncContextManager[State], opened: "asyncio.Future[State]"
    ) -> None:
        try:
            async with opening as state:
                opened.set_result(state)
                await self._closing.wait()
        except Exception as exc:
            if opened.done():
                raise
            opened.set_exception(exc)

    async def _settle(self) -> None:
        for settle in self._settling:
            try:
                async with asyncio.timeout(_SETTLE_SECONDS):
                    await settle(self.state)
            except Exception:
                # Whatever it is, the answer is ready.
                logger.exception("not settled")
