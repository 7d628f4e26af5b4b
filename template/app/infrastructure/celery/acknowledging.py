"""Telling the broker that a task is done."""

from collections.abc import Callable
from functools import partial
from typing import NoReturn

import structlog
from celery.worker.request import Request
from kombu.asynchronous import get_event_loop

logger = structlog.get_logger()


class AcknowledgedRequest(Request):  # type: ignore[misc]  # Celery has no types
    """Connects anew where the broker cannot be told.

    Celery only logs it. The message then counts as one that is being worked on, for ever: each one
    takes a place of the worker's, until it fetches no more. With the connection the broker takes
    the message back, and hands it out again; that it is done is known by its id.
    """

    acknowledged: bool

    def acknowledge(self) -> None:
        self._tell(self._message.ack)

    def reject(self, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 (Celery's)
        self._tell(partial(self._message.reject, requeue=requeue))

    def _tell(self, tell: Callable[[], object]) -> None:
        if self.acknowledged:
            return
        self.acknowledged = True
        try:
            tell()
        except self._connection_errors as exc:
            logger.warning("task not acknowledged", id=self.id, error=type(exc).__name__)
            if (loop := get_event_loop()) is None:
                raise
            # Whoever called us would only log it; the loop gives up the connection.
            loop.call_soon(_throw, exc)  # type: ignore[no-untyped-call]


def _throw(error: Exception) -> NoReturn:
    raise error
