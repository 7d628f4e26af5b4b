from datetime import datetime, timedelta
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge

from .crud import UsageCRUD
from .settings import ApiKeySettings


class UsagePurge(Purge):
    name: ClassVar[str] = "api_key_usage"

    def __init__(self, settings: ApiKeySettings) -> None:
        self._settings = settings

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await UsageCRUD(session).purge(now - timedelta(days=self._settings.usage_days))
