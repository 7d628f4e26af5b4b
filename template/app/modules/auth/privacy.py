from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .crud import LoginSessionCRUD
from .models import LoginSession
from .schemas import SessionRead


class SessionsPurge(Purge):
    name: ClassVar[str] = "login_sessions"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await LoginSessionCRUD(session).purge(now)


class SessionsData(PersonalData):
    name: ClassVar[str] = "login_sessions"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        records = await LoginSessionCRUD(session).live_of(user_id, datetime.now(UTC))
        return [
            SessionRead.model_validate(it).model_dump(mode="json", exclude={"is_current"})
            for it in records
        ]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))
