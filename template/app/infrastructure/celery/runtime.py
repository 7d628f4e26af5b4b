import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import copy_context
from typing import TypeVar

from app.core.feature import State

from .settings import CelerySettings

Result = TypeVar("Result")
OpenFeatures = Callable[[], AbstractAsyncContextManager[State]]


class Runtime:
    """An event loop with the service's features open, for code that is not asynchronous.

    Celery forks its processes: each opens its own, and nothing is open when they are made.
    """

    def __init__(self, open_features: OpenFeatures, settings: CelerySettings) -> None:
        self.settings = settings
        self._open_features = open_features
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()
        self._state: State = {}

    def open(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._state = self._runner.run(self._stack.enter_async_context(self._open_features()))

    def close(self) -> None:
        if self._runner is None:
            return
        self._runner.run(self._stack.aclose())
        self._runner.close()
        self._runner = None

    def run(self, job: Callable[[State], Awaitable[Result]]) -> Result:
        """What a job does with the features, which are opened for it alone if they are not yet."""
        if self._runner is None:
            self.open()
            try:
                return self.run(job)
            finally:
                self.close()

        async def with_state() -> Result:
            return await job(self._state)

        # As of now: a runner has a context of its own, which knows no request id.
        return self._runner.run(with_state(), context=copy_context())
