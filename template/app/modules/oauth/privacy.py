from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .crud import OAuthAccountCRUD, OAuthLoginCRUD
from .schemas import LinkedAccountExport


class LinkedAccountsData(PersonalData):
    name: ClassVar[str] = "oauth_accounts"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        accounts = await OAuthAccountCRUD(session).of(user_id)
        return [LinkedAccountExport.model_validate(it).model_dump(mode="json") for it in accounts]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await OAuthAccountCRUD(session).delete_of(user_id)
        await OAuthLoginCRUD(session).delete_of(user_id)


class OAuthLoginsPurge(Purge):
    name: ClassVar[str] = "oauth_logins"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await OAuthLoginCRUD(session).purge(now)
