from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .models import Role, UserRole


class RolesData(PersonalData):
    name: ClassVar[str] = "roles"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        statement = select(Role.name).join(UserRole).where(UserRole.user_id == user_id)
        return list(await session.scalars(statement.order_by(Role.name)))

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await session.execute(delete(UserRole).where(UserRole.user_id == user_id))
