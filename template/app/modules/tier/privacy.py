from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .models import Tier, UserTier


class TierData(PersonalData):
    name: ClassVar[str] = "tier"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        statement = select(Tier.name, UserTier.given_at).join(UserTier)
        row = (await session.execute(statement.where(UserTier.user_id == user_id))).one_or_none()
        return None if row is None else {"name": row.name, "given_at": row.given_at.isoformat()}

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await session.execute(delete(UserTier).where(UserTier.user_id == user_id))
