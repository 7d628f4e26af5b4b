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
        self._slots = anyio.Semaphore(self.size() + self._max_overflow, fast_acquire=True)

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
            raise DatabaseBusyError from None
