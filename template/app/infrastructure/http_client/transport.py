"""What every outgoing request goes through, whoever sends it."""

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter

import structlog
from httpx2 import (
    AsyncBaseTransport,
    AsyncByteStream,
    ReadTimeout,
    RemoteProtocolError,
    Request,
    Response,
)

from app.core.operations import Operation, Operations

logger = structlog.get_logger()

_REQUEST_ID = "X-Request-ID"


class UnwantedAnswerError(RemoteProtocolError):
    """The answer is too large, or compressed, so that nobody knows how large it will be."""


class BoundedTransport(AsyncBaseTransport):
    """Limits each answer in time and size, and writes one line about it.

    The client's own timeouts are for single steps: an answer that comes byte by byte never runs
    into them. A request may have limits of its own:
    `extensions={"deadline_seconds": 60, "max_bytes": 10**8}`.
    """

    def __init__(
        self,
        inner: AsyncBaseTransport,
        *,
        deadline_seconds: float,
        max_bytes: int,
        passes_context: bool,
        operations: Operations | None = None,
    ) -> None:
        """`passes_context`: whoever answers may know of which request of ours it is a part."""
        self._inner = inner
        self._deadline_seconds = deadline_seconds
        self._max_bytes = max_bytes
        self._passes_context = passes_context
        self._operations = operations

    async def handle_async_request(self, request: Request) -> Response:
        if self._passes_context:
            _name(request)
        observation = self._operations.begin(_operation(request)) if self._operations else None
        if observation is None:
            return await self._ask_and_log(request)
        if self._passes_context:
            request.headers.update(observation.carried)
        try:
            response = await self._ask_and_log(request)
        except BaseException as exc:
            observation.end(type(exc).__name__)
            raise
        status = response.status_code
        error = str(status) if response.is_error else None
        observation.end(error, {"http.response.status_code": status})
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _ask_and_log(self, request: Request) -> Response:
        started = perf_counter()
        # The address is left out but for its host: paths and queries carry secrets.
        line = logger.bind(method=request.method, host=request.url.host)
        try:
            response = await self._ask(request)
        except Exception as exc:
            line.warning("outgoing request failed", error=type(exc).__name__, **_since(started))
            raise
        line.info("outgoing request", status=response.status_code, **_since(started))
        return response

    async def _ask(self, request: Request) -> Response:
        seconds = request.extensions.get("deadline_seconds", self._deadline_seconds)
        max_bytes = request.extensions.get("max_bytes", self._max_bytes)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._inner.handle_async_request(request)
        except TimeoutError:
            raise _late() from None
        if problem := _unwanted(request, response, max_bytes):
            await response.aclose()
            raise UnwantedAnswerError(problem)
        assert isinstance(response.stream, AsyncByteStream)  # noqa: S101 (for the type checker)
        response.stream = _BoundedStream(response.stream, deadline, max_bytes)
        return response


class _BoundedStream(AsyncByteStream):
    def __init__(self, inner: AsyncByteStream, deadline: float, max_bytes: int) -> None:
        self._inner = inner
        self._deadline = deadline
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        pieces = aiter(self._inner)
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise _late() from None
            if piece is None:
                return
            received += len(piece)
            if received > self._max_bytes:
                raise UnwantedAnswerError(f"more than {self._max_bytes} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._inner.aclose()


def _name(request: Request) -> None:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        request.headers.setdefault(_REQUEST_ID, request_id)


def _operation(request: Request) -> Operation:
    attributes: dict[str, str | int] = {
        "http.request.method": request.method,
        "server.address": request.url.host,
    }
    if request.url.port is not None:
        attributes["server.port"] = request.url.port
    return Operation(request.method, attributes)


def _since(started: float) -> dict[str, float]:
    return {"duration_ms": round((perf_counter() - started) * 1000, 2)}


def _late() -> ReadTimeout:
    return ReadTimeout("the deadline has passed")


def _unwanted(request: Request, response: Response, max_bytes: int) -> str | None:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        return "compressed, although it was asked not to be"
    announced = response.headers.get("content-length", "")
    if request.method != "HEAD" and announced.isdecimal() and int(announced) > max_bytes:
        return f"more than {max_bytes} bytes"
    return None
