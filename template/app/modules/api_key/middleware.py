from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.routing import route_template
from app.infrastructure.http.headers import header
from app.infrastructure.security.context import current_origin

from .authenticator import HEADER
from .models import METHOD_LENGTH, ROUTE_LENGTH, KeyUse
from .usage import UsageLog

_RAW_HEADER = HEADER.lower().encode()


class UsageMiddleware:
    """Notes every answer to a key that was accepted.

    Requests without a key pay for one look at their headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or header(scope, _RAW_HEADER) is None:
            await self.app(scope, receive, send)
            return
        at, started, status = datetime.now(UTC), perf_counter(), 500

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting_status)
        finally:
            state: dict[str, Any] = scope["state"]
            key_id: UUID | None = state.get("api_key_id")
            if key_id is not None:
                usage: UsageLog = state["api_key_usage"]
                usage.note(
                    KeyUse(
                        key_id=key_id,
                        at=at,
                        method=scope["method"][:METHOD_LENGTH],
                        route=(route_template(scope) or "")[:ROUTE_LENGTH],
                        status=status,
                        duration_ms=round((perf_counter() - started) * 1000, 2),
                        address=current_origin().address,
                    )
                )
