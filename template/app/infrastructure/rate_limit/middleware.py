from collections.abc import Sequence
from typing import cast

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.extensions import Extensions
from app.core.principal import PrincipalResolver
from app.core.routing import API_PREFIX, load_routers, route_path

from .limiter import RateLimiter, Standing
from .route_table import RouteTable


class RateLimitMiddleware:
    """Refuses what is too much before its body is read, and says to all others what is left.

    What is not below the prefix of the API is not looked at: probes, the documentation.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._table: RouteTable | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or not _is_of_the_api(scope):
            await self.app(scope, receive, send)
            return
        state = scope["state"]
        limiter = cast("RateLimiter", state["rate_limiter"])
        route = self._routes(scope).find(scope)
        standing = await limiter.check(HTTPConnection(scope), route, state)
        if standing is None or scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _telling(send, standing))

    def _routes(self, scope: Scope) -> RouteTable:
        app = cast("FastAPI", scope["app"])
        if load_routers(app, route_path(scope)) or self._table is None:
            extensions = cast("Extensions", scope["state"]["extensions"])
            resolvers: Sequence[PrincipalResolver] = extensions.of(PrincipalResolver)
            self._table = RouteTable(app, resolvers)
        return self._table


def _is_of_the_api(scope: Scope) -> bool:
    return route_path(scope).startswith(f"{API_PREFIX}/")


def _telling(send: Send, standing: Standing) -> Send:
    headers = [(name.lower().encode(), value.encode()) for name, value in standing.headers.items()]

    async def send_telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return send_telling
