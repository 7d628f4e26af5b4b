from typing import ClassVar

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, SessionRenewal

from .authentication import csrf_tokens_of, sessions_of
from .cookie import SessionCookie
from .schemas import SessionLogin


class CookieGrant(Grant, SessionRenewal):
    name: ClassVar[str] = "cookie"
    schema = SessionLogin

    def __init__(self, cookie: SessionCookie) -> None:
        self.cookie = cookie

    async def issue(
        self,
        connection: HTTPConnection,
        response: Response,
        session: AsyncSession,
        login_session: LoginSession,
    ) -> SessionLogin:
        before = self.cookie.read(connection)
        token = await sessions_of(connection).open(session, login_session, before=before)
        self.cookie.set(response, token, login_session.expires_at)
        return SessionLogin(
            csrf_token=csrf_tokens_of(connection).of(login_session.id),
            expires_at=login_session.expires_at,
        )

    async def renew(
        self,
        connection: HTTPConnection,
        response: Response,
        session: AsyncSession,
        login_session: LoginSession,
    ) -> None:
        """Whoever else has the cookie does not share in the proof. The CSRF token stays."""
        token = self.cookie.read(connection)
        if token is None:
            return
        renewed = await sessions_of(connection).renew(session, login_session.id, token)
        if renewed is not None:
            self.cookie.set(response, renewed, login_session.expires_at)
