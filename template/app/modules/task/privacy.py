from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.privacy import PersonalData

from .crud import TaskCRUD
from .schemas import TaskRead


class TasksData(PersonalData):
    name: ClassVar[str] = "tasks"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        tasks = await TaskCRUD(session).all_of(user_id)
        return [TaskRead.model_validate(task).model_dump(mode="json") for task in tasks]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        """Those that run are undone: there is nothing left for them to finish."""
        await TaskCRUD(session).erase(user_id)
