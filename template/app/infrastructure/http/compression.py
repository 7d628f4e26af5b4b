from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.infrastructure.http.headers import header


class CompressionMiddleware:
    """gzip, for clients that accept it; the others do not pay for it.

    Starlette's takes every response apart, if only to add `Vary`. An answer that is not compressed
    does without: a cache may give it to anybody.

    A strong `ETag` is that of the plain bytes; on compressed ones it is sent as a weak one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        # Level 5 compresses JSON nearly as well as 9 for a fraction of the time; below 1000 bytes
        # a packet is not saved.
        self.compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        accepts = scope["type"] == "http" and b"gzip" in (header(scope, b"accept-encoding") or b"")
        if not accepts:
            await self.app(scope, receive, send)
            return

        async def send_weakened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                etag = headers.get("etag", "")
                if etag.startswith('"') and headers.get("content-encoding") == "gzip":
                    headers["etag"] = f"W/{etag}"
            await send(message)

        await self.compressed(scope, receive, send_weakened)
