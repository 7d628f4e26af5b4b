"""Middleware that reads and sets headers. Pure ASGI: a wrapped `send` costs about a microsecond."""

import re
from secrets import token_hex

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeader = tuple[bytes, bytes]

# An id from outside ends up in our logs, so it must be short and plain.
_VALID_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,128}")

_ALWAYS: tuple[RawHeader, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
# Only sent where the route did not decide for itself: the docs pages need scripts, a route that
# knows that its answer may be cached says so, and without a referrer browsers send `Origin: null`
# with a form.
_DEFAULTS: tuple[RawHeader, ...] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a request header; `name` in lower case."""
    return next((value for key, value in scope["headers"] if key == name), None)


class RequestIdMiddleware:
    """Names every request, in the logs and in `X-Request-ID` of every response.

    A valid inbound id is kept, so that one id follows a request through several services.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        inbound = header(scope, b"x-request-id")
        valid = inbound is not None and _VALID_REQUEST_ID.fullmatch(inbound)
        raw = inbound if inbound is not None and valid else token_hex(16).encode()
        request_id = raw.decode()
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", raw)]
            await send(message)

        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            # With whatever else was bound meanwhile.
            structlog.contextvars.clear_contextvars()


class SecurityHeadersMiddleware:
    """Sets the headers a browser needs to be told.

    `Strict-Transport-Security` is sent over HTTPS only, for `hsts_seconds` (0: never).
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int) -> None:
        self.app = app
        self.hsts: tuple[RawHeader, ...] = ()
        if hsts_seconds:
            value = f"max-age={hsts_seconds}; includeSubDomains"
            self.hsts = ((b"strict-transport-security", value.encode()),)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        extra = _ALWAYS + self.hsts if scope["scheme"] == "https" else _ALWAYS

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                headers.extend(extra)
                headers.extend(item for item in _DEFAULTS if item[0] not in present)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)
