from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .crud import IdempotencyCRUD


class IdempotencyData(PersonalData):
    """Without the answers: they repeat what is stored elsewhere, and may show secrets."""

    name: ClassVar[str] = "idempotency_keys"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        return [
            {
                "operation": record.operation,
                "created_at": record.created_at.isoformat(),
                "expires_at": record.expires_at.isoformat(),
                "status": record.status,
            }
            for record in await IdempotencyCRUD(session).all_of(user_id)
        ]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await IdempotencyCRUD(session).remove(user_id)


class IdempotencyPurge(Purge):
    name: ClassVar[str] = "idempotency_keys"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await IdempotencyCRUD(session).purge(now)
