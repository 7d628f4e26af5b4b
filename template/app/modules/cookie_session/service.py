from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.keys import new_token, token_hash
from app.infrastructure.security.settings import AuthSettings
from app.modules.auth.models import LoginSession
from app.modules.auth.sessions import LoginSessions

from . import crud
from .crud import FoundSession
from .models import CookieSession
from .settings import SessionSettings

logger = structlog.get_logger()

# An idle time is at least five minutes, so one more or less is no matter, and a page that sends
# a hundred requests a minute writes once.
_SEEN_INTERVAL = timedelta(minutes=1)


class CookieSessions:
    """The tokens in browsers' cookies; only their hashes are stored."""

    def __init__(
        self,
        database: Database,
        events: SecurityEvents,
        auth_settings: AuthSettings,
        settings: SessionSettings,
    ) -> None:
        self.database = database
        self.events = events
        self.auth_settings = auth_settings
        self._idle = timedelta(seconds=settings.idle_seconds)

    async def open(
        self, session: AsyncSession, login_session: LoginSession, *, before: str | None
    ) -> str:
        """A token for a new login; the session of `before`, the browser's last token, ends."""
        now, token = datetime.now(UTC), new_token()
        if before is not None:
            await self._end(session, before, now)
        record = CookieSession(
            session_id=login_session.id,
            token_hash=token_hash(token),
            last_seen_at=now,
            idle_expires_at=now + self._idle,
        )
        await crud.add(session, record)
        return token

    async def _end(self, session: AsyncSession, token: str, now: datetime) -> None:
        old = await crud.take_away(session, token_hash(token))
        if old is not None and old.revoked_at is None and old.expires_at > now:
            sessions = LoginSessions(session, self.events, self.auth_settings)
            await sessions.log_out(old.id, old.user_id)

    async def renew(self, session: AsyncSession, session_id: UUID, token: str) -> str | None:
        """Another token for the session, if `token` is its present one, which counts no more."""
        renewed = new_token()
        is_replaced = await crud.replace(
            session, session_id, token_hash(token), token_hash(renewed)
        )
        return renewed if is_replaced else None

    async def note_use(self, found: FoundSession, now: datetime) -> FoundSession:
        """Put off the idle end: one write a minute and session, before the request's own.

        In a transaction of its own, so that a refused request counts as use too; and one that fails
        is no reason to refuse a request, only to end the session a minute early.
        """
        unseen_since = now - _SEEN_INTERVAL
        if found.last_seen_at > unseen_since:
            return found
        idle_expires_at = now + self._idle
        try:
            async with self.database.transaction() as session:
                await crud.touch(
                    session,
                    found.session_id,
                    now=now,
                    unseen_since=unseen_since,
                    idle_expires_at=idle_expires_at,
                )
        except Exception:
            logger.exception("the use of a session was not noted")
            return found
        return found._replace(last_seen_at=now, idle_expires_at=idle_expires_at)

    async def note_forgery(self, user_id: UUID, path: str) -> None:
        async with self.database.transaction() as session:
            await self.events.record(session, "csrf_refused", user_id, is_warning=True, path=path)


class IdlePurge(Purge):
    """Those that have reached the end of their login session go with it."""

    name: ClassVar[str] = "idle_cookie_sessions"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await crud.purge(session, now)
