from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.models import LoginSession
from app.modules.user.models import ACTIVE_USER, CurrentUser, User


class Account(NamedTuple):
    user: CurrentUser
    session_ids: set[UUID | None]

    def has(self, session_id: UUID | None) -> bool:
        """None: of a credential that belongs to no login session, so the account is what counts."""
        return session_id is None or session_id in self.session_ids


async def active_accounts(
    session: AsyncSession, user_ids: Iterable[UUID], now: datetime
) -> Mapping[UUID, Account]:
    """Those that may be used, each with its live login sessions."""
    live = and_(
        LoginSession.user_id == User.id,
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now,
    )
    statement = (
        ACTIVE_USER.add_columns(LoginSession.id)
        .outerjoin(LoginSession, live)
        .where(User.id.in_(user_ids))
    )
    accounts: dict[UUID, Account] = {}
    for *fields, session_id in await session.execute(statement):
        user = CurrentUser(*fields)
        accounts.setdefault(user.id, Account(user, set())).session_ids.add(session_id)
    return accounts
