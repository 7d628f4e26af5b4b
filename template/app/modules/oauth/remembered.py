import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """An answer that is kept for a while. Of many who want it at once one asks for all.

    A failure is everybody's, and not kept: a queue of which each asks in turn would make the last
    one wait for as many timeouts.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[Value]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._known: tuple[float, Value] | None = None
        self._asking: asyncio.Task[Value] | None = None

    async def get(self, *, at_most_seconds_old: float) -> Value:
        if self._known is not None and self._clock() - self._known[0] < at_most_seconds_old:
            return self._known[1]
        if self._asking is None:
            self._asking = asyncio.create_task(self._asked())
        # Who gives up does not take it away from the others.
        return await asyncio.shield(self._asking)

    async def _asked(self) -> Value:
        try:
            at, value = self._clock(), await self._ask()
        finally:
            self._asking = None
        self._known = (at, value)
        return value
