from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from fastapi.security import APIKeyCookie
from starlette.requests import HTTPConnection

from app.infrastructure.http.origins import is_from_us
from app.infrastructure.security.keys import token_hash
from app.modules.user.authentication import Authenticator, Caller
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.lookup import find_caller, keep_caller

from .cookie import SECURE_NAME, SessionCookie
from .crud import FOUND_SESSION, FoundSession
from .csrf import CSRF_HEADER, SAFE_METHODS, CsrfTokens
from .errors import CsrfError
from .service import CookieSessions


def sessions_of(connection: HTTPConnection) -> CookieSessions:
    return cast("CookieSessions", connection.state.cookie_sessions)


def csrf_tokens_of(connection: HTTPConnection) -> CsrfTokens:
    return cast("CsrfTokens", connection.state.csrf_tokens)


class CookieAuthenticator(Authenticator):
    scheme_name: ClassVar[str] = "SessionCookie"
    scheme: ClassVar[dict[str, Any] | None] = APIKeyCookie(
        name=SECURE_NAME,
        description="Set by `POST /api/v1/session`. Ignored beside any other credential.",
    ).model.model_dump(mode="json", by_alias=True, exclude_none=True)
    is_ambient: ClassVar[bool] = True

    def __init__(self, cookie: SessionCookie, trusted: Collection[str]) -> None:
        self.cookie = cookie
        self.trusted = trusted
        """Origins other than ours whose pages may use the cookie."""

    def presented(self, connection: HTTPConnection) -> str | None:
        return self.cookie.read(connection)

    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        """Raises `CsrfError` too."""
        found = await self.recognize(connection, credential)
        return Caller(
            user=found.user,
            credential=self.scheme_name,
            scopes=None if found.scope is None else frozenset(found.scope.split()),
            session_id=found.session_id,
            authenticated_at=found.authenticated_at,
            methods=frozenset(found.methods.split()),
        )

    async def recognize(self, connection: HTTPConnection, token: str) -> FoundSession:
        """Raises `NotAuthenticatedError` and `CsrfError`."""
        sessions, now = sessions_of(connection), datetime.now(UTC)
        hashed = token_hash(token)
        found = await find_caller(
            connection, hashed, FoundSession, FOUND_SESSION, {"token_hash": hashed}
        )
        if found is None:
            raise NotAuthenticatedError
        if not found.is_live(now):
            # See `DeadCookieMiddleware`. Not for an unknown token: a request that was under way
            # when its cookie was replaced must not have the browser drop the new one.
            connection.state.is_cookie_dead = True
            raise NotAuthenticatedError
        if not self._is_meant(connection, found):
            await sessions.note_forgery(found.user.id, connection.url.path)
            raise CsrfError
        seen = await sessions.note_use(found, now)
        if seen is not found:
            await keep_caller(connection, hashed, seen)
        return seen

    def _is_meant(self, connection: HTTPConnection, found: FoundSession) -> bool:
        if connection.scope["type"] == "websocket":
            # Pages of any site may open one, and none can set its headers.
            return is_from_us(connection, self.trusted)
        if connection.scope["method"] in SAFE_METHODS:
            return True
        given = connection.headers.get(CSRF_HEADER, "")
        return csrf_tokens_of(connection).is_of(found.session_id, given)
