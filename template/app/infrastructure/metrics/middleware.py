from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.routing import route_path, route_template

if TYPE_CHECKING:
    from .http import HttpMeter
    from .meter import Meter

# What requests are labelled with that no route answers: anybody can think of any number of paths.
UNMATCHED = "unmatched"


class MetricsMiddleware:
    """Counts requests with their answers, and connections while they are open."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Absent in the lifespan, and where the application runs without one.
        meter: Meter | None = scope.get("state", {}).get("meter")
        if meter is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            with meter.http.connected():
                await self.app(scope, receive, send)
        elif scope["type"] != "http" or meter.http.is_probe(route_path(scope)):
            await self.app(scope, receive, send)
        else:
            await _Measurement(meter.http, scope, send).run(self.app, receive)


class _Measurement:
    """Of one request: until the last byte of its answer, not until what is done after it."""

    __slots__ = ("_meter", "_scope", "_send", "_started", "_status", "_trace_id")

    def __init__(self, meter: "HttpMeter", scope: Scope, send: Send) -> None:
        self._meter = meter
        self._scope = scope
        self._send = send
        self._started = perf_counter()
        # That of an answer which never came.
        self._status = 500
        self._trace_id: str | None = None

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        self._meter.begin()
        try:
            await app(self._scope, receive, self._note)
        finally:
            self._finish()

    async def _note(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            # Here: the trace may end before the request does.
            self._trace_id = self._meter.trace_id()
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._finish()

    def _finish(self) -> None:
        if not self._started:
            return
        seconds, self._started = perf_counter() - self._started, 0.0
        route = route_template(self._scope) or UNMATCHED
        method = self._scope["method"]
        self._meter.end(method, route, self._status, seconds, self._trace_id)
