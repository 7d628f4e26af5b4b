"""Telling the broker that a task is done."""

from typing import Any

from celery.worker.request import Request


class AcknowledgedRequest(Request):  # type: ignore[misc]  # Celery has no types
    """Connects anew where the broker cannot be told.

    Celery only logs it. The message then counts as one that is being worked on, for ever: each one
    takes a place of the worker's, until it fetches no more. With the connection the broker takes
    the message back, and hands it out again; that it is done is known by its id.
    """

    def __init__(self, message: Any, **options: Any) -> None:  # noqa: ANN401 (Celery's own)
        # These it would only log: now they end the loop, which connects anew.
        super().__init__(message, **options | {"connection_errors": ()})
