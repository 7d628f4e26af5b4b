"""What is being answered when something goes wrong."""

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

_scope: ContextVar[Scope | None] = ContextVar("sentry_scope", default=None)


class RequestMiddleware:
    """Remembers the request beyond itself: defects are reported further out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            _scope.set(scope)
        await self.app(scope, receive, send)


def current_request(request_id: object) -> Scope | None:
    scope = _scope.get()
    if scope is None or scope["state"].get("request_id") != request_id:
        return None
    return scope
