from http import HTTPStatus

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .cookie import SessionCookie


class DeadCookieMiddleware:
    """Has the browser drop a cookie whose session is over, with the 401 that says so.

    Else it would send it for weeks, also to routes that answer strangers but refuse a wrong
    credential, and no script can remove it.
    """

    def __init__(self, app: ASGIApp, *, cookie: SessionCookie) -> None:
        self.app = app
        self.cookie = cookie
        response = Response()
        cookie.clear(response)
        self.clearing = [it for it in response.raw_headers if it[0] == b"set-cookie"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.cookie.in_scope(scope) is None:
            await self.app(scope, receive, send)
            return

        async def send_clearing(message: Message) -> None:
            if (
                message["type"] == "http.response.start"
                and message["status"] == HTTPStatus.UNAUTHORIZED
                and scope["state"].get("is_cookie_dead")
            ):
                message["headers"] = [*message["headers"], *self.clearing]
            await send(message)

        await self.app(scope, receive, send_clearing)
