from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update

from app.infrastructure.database.affected import affected
from app.modules.common.crud import CRUD

from .models import LoginSession, RefreshToken


class LoginSessionCRUD(CRUD[LoginSession]):
    model = LoginSession

    async def live_of(self, user_id: UUID, now: datetime) -> Sequence[LoginSession]:
        """Newest first."""
        statement = (
            self.select()
            .where(
                LoginSession.user_id == user_id,
                LoginSession.revoked_at.is_(None),
                LoginSession.expires_at > now,
            )
            .order_by(LoginSession.id.desc())
        )
        return (await self.session.scalars(statement)).all()

    async def revoke(self, *, now: datetime, only: Sequence[UUID]) -> int:
        """How many of these were live."""
        statement = (
            update(LoginSession)
            .where(LoginSession.id.in_(only), LoginSession.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        return await affected(self.session, statement)

    async def revoke_all(self, now: datetime) -> int:
        """Of every account; how many were live."""
        statement = (
            update(LoginSession)
            .where(LoginSession.revoked_at.is_(None), LoginSession.expires_at > now)
            .values(revoked_at=now)
        )
        return await affected(self.session, statement)

    async def purge(self, now: datetime) -> int:
        """Revoked ones stay until they would have expired: what belongs to them may come back."""
        statement = delete(LoginSession).where(LoginSession.expires_at <= now)
        return await affected(self.session, statement)


class RefreshTokenCRUD(CRUD[RefreshToken]):
    model = RefreshToken

    async def use(self, token_hash: str, now: datetime) -> UUID | None:
        """Mark an unused token as used and return its session; of two at once one wins."""
        statement = (
            update(RefreshToken)
            .where(
                RefreshToken.token_hash == token_hash,
                RefreshToken.used_at.is_(None),
                RefreshToken.expires_at > now,
            )
            .values(used_at=now)
            .returning(RefreshToken.session_id)
        )
        return await self.session.scalar(statement)

    async def find(self, token_hash: str) -> RefreshToken | None:
        return await self.session.scalar(
            select(RefreshToken).where(RefreshToken.token_hash == token_hash)
        )
