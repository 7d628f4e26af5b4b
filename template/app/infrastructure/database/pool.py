import logging
from typing import Any

import anyio
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only

from .errors import DatabaseBusyError

# SQLAlchemy logs under the name of the class, and says at INFO that a pool was closed.
logging.getLogger(__name__).setLevel(logging.WARNING)


class FairPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, serving in the order of asking.

    Its own queue gives a returned connection to whoever asks at that moment, so that under load
    some requests wait a hundred times longer than others. Raises `DatabaseBusyError` when no
    connection is free in time.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (handed through)
        super().__init__(*args, **kwargs)
        self.timeouts = 0
        """Who asked in vain, since the start."""
        self._slots = anyio.Semaphore(self.most, fast_acquire=True)

    @property
    def most(self) -> int:
        """How many connections there may be at once."""
        return self.size() + self._max_overflow

    @property
    def waiting(self) -> int:
        return self._slots.statistics().tasks_waiting

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            await_only(self._wait())
        try:
            return super()._do_get()
        except BaseException:
            self._slots.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        self._slots.release()

    async def _wait(self) -> None:
        try:
            with anyio.fail_after(self._timeout):
                await self._slots.acquire()
        except TimeoutError:
            self.timeouts += 1
            raise DatabaseBusyError from None
