"""Middleware that refuses requests before the application sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.routing import API_PREFIX, route_path
from app.infrastructure.http.headers import header


class TrustedHostMiddleware:
    """Answers only for the host names in `allowed`; `*.example.com` covers subdomains.

    Starlette's own answers in plain text and cannot leave out the `probes`: platforms send them by
    IP address, without our host name.
    """

    def __init__(
        self, app: ASGIApp, *, allowed: tuple[str, ...], probes: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self.probes = probes
        self.any = "*" in allowed
        hosts = [host.lower() for host in allowed]
        self.exact = {host for host in hosts if not host.startswith("*.")}
        self.suffixes = tuple(host[1:] for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._accepts(scope):
            raise HTTPException(
                HTTPStatus.BAD_REQUEST, "This service does not answer for the host in the request."
            )
        await self.app(scope, receive, send)

    def _accepts(self, scope: Scope) -> bool:
        if self.any or scope["type"] != "http" or scope["path"].startswith(self.probes):
            return True
        host = (header(scope, b"host") or b"").decode("latin-1").lower()
        if not host.endswith("]"):  # an IPv6 address without a port keeps its colons
            host = host.rsplit(":", 1)[0] if ":" in host else host
        return host in self.exact or host.endswith(self.suffixes)


@dataclass(frozen=True, slots=True)
class BodyAllowance:
    """Another limit for one route; an entry of `Feature.extensions`."""

    method: str
    path: str
    """Below the API prefix, without parameters: it is compared before any route is looked at."""
    max_bytes: int


class BodyLimitMiddleware:
    """Refuses a body of more than `max_bytes`, announced or not, with 413.

    A route for which there is an allowance has the limit of that one.

    An announced one is refused unread, a chunked one as soon as it passes the limit. Starlette's
    own would answer in plain text.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, allowances: Iterable[BodyAllowance] = ()
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.allowed = {(it.method, f"{API_PREFIX}{it.path}"): it.max_bytes for it in allowances}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self.app(scope, receive, send)
            return
        most = self.max_bytes
        if self.allowed:
            most = self.allowed.get((scope["method"], route_path(scope)), most)
        announced = header(scope, b"content-length") or b"0"
        if announced.isdigit() and int(announced) > most:
            raise _too_large(most)
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise _too_large(most)
            return message

        await self.app(scope, receive_limited, send)


def _too_large(most: int) -> HTTPException:
    return HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request body must not exceed {most} bytes."
    )
