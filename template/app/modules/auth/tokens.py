"""The bearer form of a login: a short-lived access token and a refresh token for the next one."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar, cast

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.infrastructure.database.database import Database
from app.infrastructure.security.dependencies import tokens_of
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.keys import new_token, token_hash
from app.infrastructure.security.settings import AuthSettings
from app.infrastructure.security.tokens import AccessTokens
from app.modules.user.service import find_user

from .crud import LoginSessionCRUD, RefreshTokenCRUD
from .errors import InvalidRefreshTokenError
from .models import LoginSession, RefreshToken
from .schemas import TokenRead
from .steps import Grant


class RefreshTokens:
    """Each is good for one exchange.

    One that comes back later was stolen, from its owner or by them: nobody can tell which, so the
    whole session ends.
    """

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        events: SecurityEvents,
        settings: AuthSettings,
    ) -> None:
        self.database = database
        self.tokens = tokens
        self.events = events
        self.settings = settings

    async def issue(self, session: AsyncSession, login_session: LoginSession) -> TokenRead:
        refresh_token, now = new_token(), datetime.now(UTC)
        ttl = timedelta(seconds=self.settings.refresh_token_ttl_seconds)
        expires_at = min(now + ttl, login_session.expires_at)
        await RefreshTokenCRUD(session).add(
            RefreshToken(
                session_id=login_session.id,
                token_hash=token_hash(refresh_token),
                expires_at=expires_at,
            )
        )
        scope = login_session.scope
        access = self.tokens.issue(
            login_session.user_id, login_session.id, None if scope is None else scope.split()
        )
        return TokenRead(
            access_token=access.token,
            expires_in=access.expires_in_seconds,
            refresh_token=refresh_token,
            refresh_expires_in=int((expires_at - now).total_seconds()),
            scope=scope,
        )

    async def exchange(self, refresh_token: str) -> TokenRead:
        """A new pair for a refresh token. Raises `InvalidRefreshTokenError`."""
        hashed, now = token_hash(refresh_token), datetime.now(UTC)
        async with self.database.transaction() as session:
            session_id = await RefreshTokenCRUD(session).use(hashed, now)
            login_session = None
            if session_id is not None:
                login_session = await LoginSessionCRUD(session).get(session_id)
            if login_session is not None and await self._is_live(session, login_session, now):
                login_session.last_used_at = now
                await self.events.record(
                    session, "token_refresh", login_session.user_id, actor_id=login_session.user_id
                )
                return await self.issue(session, login_session)
        await self._suspect(hashed, now)
        raise InvalidRefreshTokenError

    async def _is_live(
        self, session: AsyncSession, login_session: LoginSession, now: datetime
    ) -> bool:
        user = await find_user(session, login_session.user_id)
        return (
            login_session.revoked_at is None
            and login_session.expires_at > now
            and user is not None
            and user.is_active
        )

    async def _suspect(self, hashed: str, now: datetime) -> None:
        """In a transaction of its own: the refusal that follows must not undo it."""
        grace = timedelta(seconds=self.settings.refresh_grace_seconds)
        async with self.database.transaction() as session:
            token = await RefreshTokenCRUD(session).find(hashed)
            if token is None or token.used_at is None or now - token.used_at <= grace:
                return
            sessions = LoginSessionCRUD(session)
            login_session = await sessions.get(token.session_id)
            if login_session is not None and await sessions.revoke(
                now=now, only=[token.session_id]
            ):
                await self.events.record(
                    session, "token_reuse_detected", login_session.user_id, is_warning=True
                )


class TokenGrant(Grant):
    name: ClassVar[str] = "token"
    schema = TokenRead

    async def issue(
        self,
        connection: HTTPConnection,
        response: Response,  # noqa: ARG002 (for grants that set cookies)
        session: AsyncSession,
        login_session: LoginSession,
    ) -> TokenRead:
        return await refresh_tokens_of(connection).issue(session, login_session)


def refresh_tokens_of(connection: HTTPConnection) -> RefreshTokens:
    state = connection.state
    return RefreshTokens(
        cast("Database", state.database),
        tokens_of(connection),
        cast("SecurityEvents", state.events),
        cast("AuthSettings", state.auth_settings),
    )
