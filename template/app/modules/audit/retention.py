from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge

from .crud import AuditCRUD


class AuditPurge(Purge):
    name: ClassVar[str] = "audit_events"

    def __init__(self, retention_days: int) -> None:
        self._retention = timedelta(days=retention_days)

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await AuditCRUD(session).delete_before(now - self._retention)
