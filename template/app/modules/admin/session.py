"""Who is in the panel: a login session of the service, and a signed cookie that names it.

The cookie says when it was last used, so nothing is written for a request. Whatever ends the login
session ends this at once: a logout, another password, a closed account.
"""

import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection, Request

from app.infrastructure.database.session import database_of
from app.infrastructure.form.cookies import HostCookies
from app.infrastructure.security.keys import Keyring
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant
from app.modules.user.authentication import Caller
from app.modules.user.models import ACTIVE_USER, CurrentUser, User

from .settings import AdminSettings

_COOKIE = "session"
# One that is younger is not replaced: pages ask for several things at once.
_RENEWED_AFTER = timedelta(minutes=1)

_sessions, _users = LoginSession.__table__.c, User.__table__.c
_KIND = "admin"
_OPEN_SESSION = (
    ACTIVE_USER.add_columns(_sessions.authenticated_at, _sessions.methods)
    .join(LoginSession.__table__, _sessions.user_id == _users.id)
    .where(
        _sessions.id == bindparam("session_id"),
        _sessions.kind == _KIND,
        _sessions.revoked_at.is_(None),
        _sessions.expires_at > bindparam("now"),
    )
)


class PanelSessions:
    def __init__(self, settings: AdminSettings, cookies: HostCookies, keyring: Keyring) -> None:
        self._cookies = cookies
        self._keys = keyring.derive("admin session")
        self._idle = timedelta(seconds=settings.idle_seconds)
        self.lifetime = timedelta(seconds=settings.session_seconds)

    def issue(self, response: Response, session_id: UUID) -> None:
        said = f"{session_id.hex}.{int(datetime.now(UTC).timestamp())}"
        value = f"{said}.{_signature(self._keys[0], said)}"
        self._cookies.set(response, _COOKIE, value)

    def clear(self, response: Response) -> None:
        self._cookies.clear(response, _COOKIE)

    async def find(self, request: Request) -> tuple[Caller, bool] | None:
        """Who is there, and whether the cookie is to be issued again."""
        now = datetime.now(UTC)
        read = self._read(self._cookies.read(request, _COOKIE) or "")
        if read is None or now - read[1] > self._idle:
            return None
        session_id, used_at = read
        async with database_of(request).reading() as session:
            row = (
                await session.execute(_OPEN_SESSION, {"session_id": session_id, "now": now})
            ).one_or_none()
        if row is None:
            return None
        caller = Caller(
            user=CurrentUser(*row[: len(CurrentUser._fields)]),
            credential="AdminSession",
            session_id=session_id,
            authenticated_at=row.authenticated_at,
            methods=frozenset(row.methods.split()),
        )
        return caller, now - used_at > _RENEWED_AFTER

    def _read(self, value: str) -> tuple[UUID, datetime] | None:
        said, _, signature = value.rpartition(".")
        given = signature.encode("latin-1", "replace")
        matches = [hmac.compare_digest(_signature(key, said).encode(), given) for key in self._keys]
        if not any(matches):
            return None
        session_id, used_at = said.split(".")
        return UUID(session_id), datetime.fromtimestamp(int(used_at), UTC)


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), sha256).hexdigest()


class Entered(BaseModel):
    """The panel answers with a redirect; there is no body."""


class PanelGrant(Grant):
    name: ClassVar[str] = _KIND
    schema = Entered
    is_for_clients: ClassVar[bool] = False

    async def issue(
        self,
        connection: HTTPConnection,
        response: Response,
        session: AsyncSession,  # noqa: ARG002 (for grants that store something)
        login_session: LoginSession,
    ) -> Entered:
        sessions: PanelSessions = connection.state.admin_sessions
        latest = login_session.authenticated_at + sessions.lifetime
        login_session.expires_at = min(login_session.expires_at, latest)
        sessions.issue(response, login_session.id)
        return Entered()
