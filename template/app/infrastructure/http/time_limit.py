"""How long a request may take until its answer begins."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import cast

import structlog
from fastapi import Depends, params
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import UnavailableError

logger = structlog.get_logger()


class RequestTimeoutError(UnavailableError):
    code = "request.timeout"
    title = "The request took too long"

    def __init__(self) -> None:
        super().__init__(
            "The answer was not ready in time, and the work on it was given up.",
            retry_after_seconds=5,
        )


class Clock:
    """Runs out `seconds` after it was last set; then the request is cancelled."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._pauses = 0
        self._is_over = False
        self._timeout = asyncio.timeout(seconds)

    @property
    def has_run_out(self) -> bool:
        return self._timeout.expired()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        token = _clock.set(self)
        try:
            async with self._timeout:
                try:
                    yield
                finally:
                    self.end()
        finally:
            _clock.reset(token)

    def restart(self) -> None:
        if not self._pauses:
            self._set(self.seconds)

    def end(self) -> None:
        """For good: tasks that the request has left behind may still hold it."""
        self._set(None)
        self._is_over = True

    @contextmanager
    def paused(self) -> Generator[None]:
        self._pauses += 1
        self._set(None)
        try:
            yield
        finally:
            self._pauses -= 1
            self.restart()

    def _set(self, seconds: float | None) -> None:
        if self._is_over or self.has_run_out:
            return
        when = None if seconds is None else asyncio.get_running_loop().time() + seconds
        self._timeout.reschedule(when)


_clock: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def uninterrupted() -> Generator[None]:
    """What has begun is ended: the limit of the request does not count here, and anew afterwards.

    For what cannot be undone, and must not be answered as if it had not happened.
    """
    clock = _clock.get()
    if clock is None:
        yield
        return
    with clock.paused():
        yield


def time_limit(seconds: float | None) -> params.Depends:
    """Another limit than `REQUEST_TIMEOUT_SECONDS`, in `dependencies` of a route; None: no limit.

    It counts from the moment the route was found and its body has arrived.
    """

    async def set_limit() -> None:
        if (clock := _clock.get()) is not None:
            clock.seconds = seconds
            clock.restart()

    return cast("params.Depends", Depends(set_limit))


class TimeLimitMiddleware:
    """Answers 503 where the answer has not begun `seconds` after the request has arrived.

    The work is cancelled, so it is undone as after any error. While a body arrives the clock is set
    anew with each piece; a client that sends nothing for so long is answered with 408. An answer
    that has begun is never cut, however long it streams, and WebSockets are left alone.
    """

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app = app
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.seconds:
            await self.app(scope, receive, send)
            return
        clock = Clock(self.seconds)
        has_body = is_waiting = False

        async def receive_noting_pieces() -> Message:
            nonlocal has_body, is_waiting
            is_waiting = not has_body
            message = await receive()
            if is_waiting:
                is_waiting = False
                has_body = not message.get("more_body", False)
                clock.restart()
            return message

        async def send_noting_start(message: Message) -> None:
            clock.end()
            await send(message)

        try:
            async with clock.running():
                await self.app(scope, receive_noting_pieces, send_noting_start)
        except Exception:
            # Whatever the cancelled work made of it.
            if not clock.has_run_out:
                raise
            if is_waiting:
                raise _body_timeout() from None
            logger.warning("request cancelled", limit_seconds=clock.seconds)
            raise RequestTimeoutError from None


def _body_timeout() -> HTTPException:
    return HTTPException(
        HTTPStatus.REQUEST_TIMEOUT,
        "The rest of the request body did not arrive in time.",
        headers={"Connection": "close"},
    )
