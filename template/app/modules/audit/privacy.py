from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .crud import AuditCRUD
from .service import OwnEvents


class AuditData(PersonalData):
    name: ClassVar[str] = "security_events"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        events = await OwnEvents(AuditCRUD(session), user_id).everything()
        return [event.model_dump(mode="json") for event in events]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        # What happened stays: the ids lead to an account that names nobody any more.
        await AuditCRUD(session).erase(user_id)
