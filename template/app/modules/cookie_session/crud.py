from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.modules.auth.models import LoginSession
from app.modules.user.models import ACTIVE_USER, CurrentUser, User

from .models import CookieSession

_cookies, _sessions, _users = CookieSession.__table__, LoginSession.__table__, User.__table__


class FoundSession(NamedTuple):
    """The session that a cookie belongs to, of an active account; it may be over."""

    user: CurrentUser
    session_id: UUID
    authenticated_at: datetime
    methods: str
    scope: str | None
    revoked_at: datetime | None
    expires_at: datetime
    last_seen_at: datetime
    idle_expires_at: datetime

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and min(self.expires_at, self.idle_expires_at) > now


# Built once: it runs on every request with a cookie.
FOUND_SESSION = (
    ACTIVE_USER.add_columns(
        _sessions.c.id,
        *(_sessions.c[name] for name in FoundSession._fields[2:7]),
        *(_cookies.c[name] for name in FoundSession._fields[7:]),
    )
    .join(_sessions, _sessions.c.user_id == _users.c.id)
    .join(_cookies, _cookies.c.session_id == _sessions.c.id)
    .where(_cookies.c.token_hash == bindparam("token_hash"))
)


async def add(session: AsyncSession, record: CookieSession) -> None:
    session.add(record)
    await session.flush()


async def take_away(session: AsyncSession, token_hash: str) -> LoginSession | None:
    """Make a token unknown and return its login session; of two at once one wins."""
    session_id = await session.scalar(
        delete(CookieSession)
        .where(CookieSession.token_hash == token_hash)
        .returning(CookieSession.session_id)
    )
    if session_id is None:
        return None
    return await session.scalar(select(LoginSession).where(LoginSession.id == session_id))


async def replace(
    session: AsyncSession, session_id: UUID, token_hash: str, replacement: str
) -> bool:
    """Whether this was the session's token, and now is another; of two at once one wins."""
    statement = (
        update(CookieSession)
        .where(CookieSession.session_id == session_id, CookieSession.token_hash == token_hash)
        .values(token_hash=replacement)
    )
    return await affected(session, statement) > 0


async def touch(
    session: AsyncSession,
    session_id: UUID,
    *,
    now: datetime,
    unseen_since: datetime,
    idle_expires_at: datetime,
) -> None:
    """Note that the session is in use, unless another request has since `unseen_since`."""
    statement = (
        update(CookieSession)
        .where(CookieSession.session_id == session_id, CookieSession.last_seen_at <= unseen_since)
        .values(last_seen_at=now, idle_expires_at=idle_expires_at)
    )
    if await affected(session, statement):
        await session.execute(
            update(LoginSession).where(LoginSession.id == session_id).values(last_used_at=now)
        )


async def purge(session: AsyncSession, now: datetime) -> int:
    """Idle ones are over before their login session is; it would stay in the lists."""
    idle = select(CookieSession.session_id).where(CookieSession.idle_expires_at <= now)
    return await affected(session, delete(LoginSession).where(LoginSession.id.in_(idle)))
