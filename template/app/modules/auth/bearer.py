"""Callers with an access token."""

from datetime import UTC, datetime
from typing import ClassVar, NamedTuple

from sqlalchemy import bindparam
from starlette.requests import HTTPConnection

from app.infrastructure.security.dependencies import tokens_of
from app.infrastructure.security.errors import InvalidTokenError
from app.modules.user.authentication import BEARER, Authenticator, Caller
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.lookup import find_caller
from app.modules.user.models import ACTIVE_USER, CurrentUser, User

from .models import LoginSession

_sessions, _users = LoginSession.__table__, User.__table__


class _LoggedIn(NamedTuple):
    user: CurrentUser
    authenticated_at: datetime
    methods: str
    expires_at: datetime


# Built once: it runs on every request with a token.
_LOGGED_IN = (
    ACTIVE_USER.add_columns(*(_sessions.c[name] for name in _LoggedIn._fields[1:]))
    .join(_sessions, _sessions.c.user_id == _users.c.id)
    .where(_sessions.c.id == bindparam("session_id"), _sessions.c.revoked_at.is_(None))
)


class BearerAuthenticator(Authenticator):
    scheme_name: ClassVar[str] = BEARER

    def presented(self, connection: HTTPConnection) -> str | None:
        value = connection.headers.get("authorization")
        if value is None:
            return None
        scheme, _, token = value.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    async def authenticate(self, connection: HTTPConnection, credential: str) -> Caller:
        try:
            claims = tokens_of(connection).read(credential)
        except InvalidTokenError:
            raise NotAuthenticatedError from None
        session_id = claims.session_id
        found = await find_caller(
            connection, session_id.hex, _LoggedIn, _LOGGED_IN, {"session_id": session_id}
        )
        if (
            found is None
            or found.user.id != claims.user_id
            or found.expires_at <= datetime.now(UTC)
        ):
            raise NotAuthenticatedError
        return Caller(
            user=found.user,
            credential=self.scheme_name,
            scopes=claims.scopes,
            session_id=session_id,
            authenticated_at=found.authenticated_at,
            methods=frozenset(found.methods.split()),
        )
