import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lane(Generic[Item]):
    """Does what it is told beside the requests, one after another; `work` must not raise."""

    def __init__(self, work: Callable[[Item], Awaitable[None]], *, length: int) -> None:
        self.work = work
        self._length = length
        self._items: deque[Item] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What runs, if anything does."""
        return self._task

    def put(self, item: Item) -> bool:
        """False: too much is waiting already."""
        if len(self._items) >= self._length:
            return False
        self._items.append(item)
        if self._task is None:
            # Not in the context of this request: others follow.
            self._task = asyncio.create_task(self._run(), context=Context())
        return True

    async def cancel(self) -> list[Item]:
        """What is not done."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        return list(self._items)

    async def _run(self) -> None:
        try:
            while self._items:
                await self.work(self._items[0])
                self._items.popleft()
        finally:
            self._task = None
