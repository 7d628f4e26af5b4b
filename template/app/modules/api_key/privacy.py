from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .crud import ApiKeyCRUD, UsageCRUD
from .models import ApiKey
from .schemas import ApiKeyExport, UsageRead


class ApiKeysData(PersonalData):
    name: ClassVar[str] = "api_keys"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        """With what they were used for, as long as that is kept."""
        return [await _exported(session, key) for key in await ApiKeyCRUD(session).all_of(user_id)]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        """The keys are gone, and with them the network addresses from which they were used.

        What a process has not stored yet is dropped when it finds the key gone.
        """
        await ApiKeyCRUD(session).erase(user_id)


async def _exported(session: AsyncSession, key: ApiKey) -> dict[str, JsonValue]:
    exported: dict[str, JsonValue] = ApiKeyExport.model_validate(key).model_dump(mode="json")
    usage = await UsageCRUD(session).all_of(key.id)
    return {
        **exported,
        "usage": [UsageRead.model_validate(it).model_dump(mode="json") for it in usage],
    }
