from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .stopping import Stopping


class ServingMiddleware:
    """Counts requests up to `max_requests` (0: any number), and empties a process that stops.

    Each answer then closes its connection, so that a client's next request goes elsewhere and does
    not meet a connection that is just being closed.
    """

    def __init__(self, app: ASGIApp, *, stopping: Stopping, max_requests: int) -> None:
        self.app = app
        self.stopping = stopping
        self.max_requests = max_requests
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.count += 1
        if self.count == self.max_requests:
            self.stopping.retire()

        async def send_closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self.stopping.is_draining:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        # HTTP/2 has no such header.
        closes = scope.get("http_version", "1.1").startswith("1")
        await self.app(scope, receive, send_closing if closes else send)
