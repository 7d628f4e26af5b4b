"""What clients and proxies may keep of an answer, and how they ask whether it still holds."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

from fastapi import Depends
from fastapi.params import Depends as DependsParam
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.infrastructure.http.conditional import is_match

_POLICY = "caching_policy"
# What describes a body, which a 304 does not have.
_OF_THE_BODY = ("content-encoding", "content-length", "content-range", "content-type")

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "Not modified: `If-None-Match` names what you have"}
}
"""An entry of a route's `responses=`."""


@dataclass(frozen=True, slots=True)
class CachingPolicy:
    """Who may keep the answers of a route, and for how long without asking again.

    Each has a strong `ETag`: who sends it back as `If-None-Match` is told 304 while it holds.
    """

    cache_control: str
    vary: tuple[str, ...] = ()
    is_public: bool = False

    @classmethod
    def private(cls, max_age_seconds: int = 0) -> Self:
        """For the caller alone. By default they ask each time, so that it is never outdated."""
        freshness = f"max-age={max_age_seconds}" if max_age_seconds else "no-cache"
        return cls(f"private, {freshness}", ("Authorization", "Cookie"))

    @classmethod
    def public(cls, max_age_seconds: int, *, vary: tuple[str, ...] = ()) -> Self:
        """For everybody, proxies too: the answer does not depend on who asks.

        One to a request with credentials, or that sets a cookie, is sent as a private one.
        """
        return cls(f"public, max-age={max_age_seconds}", vary, is_public=True)


PRIVATE = CachingPolicy.private()


def cacheable(policy: CachingPolicy = PRIVATE) -> DependsParam:
    """For the `dependencies=` of a route or a router: its answers may be kept.

    Only those with status 200, and of GET and HEAD; a header that the route sets itself stays.
    """

    async def apply(connection: HTTPConnection) -> None:
        apply_policy(connection.scope["state"], policy)

    found: DependsParam = Depends(apply)
    return found


def apply_policy(state: MutableMapping[str, Any], policy: CachingPolicy = PRIVATE) -> None:
    """The same for one request, by its state."""
    state[_POLICY] = policy


class ConditionalMiddleware:
    """Adds the headers of the policy, and answers 304 where the client has the answer already.

    The answer is computed all the same: this saves its way, not its making. A streamed one gets no
    `ETag`, which is made of the whole.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Responder(scope, send).send)


class _Responder:
    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            policy: CachingPolicy | None = self._scope.get("state", {}).get(_POLICY)
            if policy is not None and message["status"] == 200:  # noqa: PLR2004 (see `cacheable`)
                self._describe(message, policy)
                self._start = message
                return
        elif self._start is not None:
            start, self._start = self._start, None
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                message = self._conditional(start, message)
            await self._send(start)
        await self._send(message)

    def _describe(self, start: Message, policy: CachingPolicy) -> None:
        headers = MutableHeaders(raw=start.setdefault("headers", []))
        request = Headers(scope=self._scope)
        is_personal = "authorization" in request or "cookie" in request or "set-cookie" in headers
        if policy.is_public and is_personal:
            policy = PRIVATE
        headers.setdefault("cache-control", policy.cache_control)
        for name in policy.vary:
            headers.add_vary_header(name)

    def _conditional(self, start: Message, body: Message) -> Message:
        """The body, or none if the client has it; `start` says which."""
        headers = MutableHeaders(raw=start["headers"])
        content = body.get("body", b"")
        if "etag" not in headers and not (self._scope["method"] == "HEAD" and not content):
            headers["etag"] = f'"{blake2b(content, digest_size=16).hexdigest()}"'
        if not is_match(Headers(scope=self._scope).getlist("if-none-match"), headers.get("etag")):
            return body
        start["status"] = 304
        for name in _OF_THE_BODY:
            if name in headers:
                del headers[name]
        return {"type": "http.response.body", "body": b""}
