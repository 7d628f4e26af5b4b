from opentelemetry.trace import get_current_span
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .observer import names


class NamingMiddleware:
    """Puts the ids of the request and of its account into the span of the request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = get_current_span()
        if scope["type"] != "http" or not span.is_recording():
            await self.app(scope, receive, send)
            return

        async def send_naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Who calls is known by now.
                span.set_attributes(names())
            await send(message)

        try:
            await self.app(scope, receive, send_naming)
        except BaseException:
            # Answered further out.
            span.set_attributes(names())
            raise
