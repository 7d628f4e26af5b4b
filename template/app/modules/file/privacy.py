from collections.abc import Callable
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .crud import FileCRUD
from .leftovers import Leftovers
from .schemas import FileRead


class FilesData(PersonalData):
    name: ClassVar[str] = "files"

    def __init__(self, leftovers: Callable[[], Leftovers]) -> None:
        self._leftovers = leftovers

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        """What there is; the content of each is read by its id."""
        files = await FileCRUD(session).all_of(user_id)
        return [FileRead.model_validate(file).model_dump(mode="json") for file in files]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        """The objects follow after the commit, or when leftovers are purged."""
        keys = await FileCRUD(session).remove_all(user_id)
        await self._leftovers().give_up(session, keys)
