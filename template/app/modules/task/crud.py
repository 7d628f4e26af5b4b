from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.modules.common.crud import CRUD
from app.modules.common.listing import Listing, Rows
from app.modules.common.pagination import CursorQuery

from .models import TaskStatus, UserTask
from .schemas import TaskRead

_table = UserTask.__table__
_OWNED = Listing(_table, TaskRead, _table.c.user_id == bindparam("user_id"))


class TaskCRUD(CRUD[UserTask]):
    model = UserTask

    async def get_owned(self, user_id: UUID, task_id: UUID) -> UserTask | None:
        statement = self.select().where(UserTask.user_id == user_id, UserTask.id == task_id)
        return await self.session.scalar(statement.execution_options(populate_existing=True))

    async def scroll_of(self, user_id: UUID, query: CursorQuery) -> tuple[Rows, UUID | None]:
        values = {"user_id": user_id}
        return await _OWNED.after(self.session, values, last=query.after, limit=query.limit)

    async def all_of(self, user_id: UUID) -> Sequence[UserTask]:
        statement = self.select().where(UserTask.user_id == user_id).order_by(UserTask.id)
        return (await self.session.scalars(statement)).all()

    async def move(self, task_id: UUID, *allowed: TaskStatus, **values: Any) -> bool:  # noqa: ANN401
        """Whether its status was one of `allowed`; one statement decides races."""
        statement = update(UserTask).where(UserTask.id == task_id, UserTask.status.in_(allowed))
        return await affected(self.session, statement.values(values)) == 1

    async def status_of(self, task_id: UUID) -> str | None:
        return await self.session.scalar(select(UserTask.status).where(UserTask.id == task_id))

    async def erase(self, user_id: UUID) -> None:
        await self.session.execute(delete(UserTask).where(UserTask.user_id == user_id))


async def delete_expired(session: AsyncSession, now: datetime) -> int:
    return await affected(session, delete(UserTask).where(UserTask.expires_at < now))
