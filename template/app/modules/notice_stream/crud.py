from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.models import LoginSession
from app.modules.user.models import ACTIVE_USER, User


async def live_logins(
    session: AsyncSession, user_ids: Iterable[UUID], now: datetime
) -> Mapping[UUID, set[UUID | None]]:
    """The login sessions of those accounts that may be used. None stands for the account itself."""
    live = and_(
        LoginSession.user_id == User.id,
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now,
    )
    statement = (
        ACTIVE_USER.with_only_columns(User.id, LoginSession.id, maintain_column_froms=True)
        .outerjoin(LoginSession, live)
        .where(User.id.in_(user_ids))
    )
    logins: dict[UUID, set[UUID | None]] = {}
    for user_id, session_id in await session.execute(statement):
        logins.setdefault(user_id, {None}).add(session_id)
    return logins
