from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, JsonValue
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.infrastructure.celery.queue import TaskQueue
from app.infrastructure.celery.tasks import Task, TaskListener, TaskMessage
from app.infrastructure.database.purge import Purge
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery

from .crud import TaskCRUD, delete_expired
from .errors import TaskNotFoundError, TaskOverError
from .models import TaskStatus, UserTask
from .settings import TaskSettings

_OPEN = (TaskStatus.QUEUED, TaskStatus.RUNNING)


def _expiry(settings: TaskSettings) -> datetime:
    return datetime.now(UTC) + timedelta(days=settings.retention_days)


class TaskReader:
    """One owner's tasks: every query starts from theirs."""

    def __init__(self, tasks: TaskCRUD, user_id: UUID) -> None:
        self.tasks = tasks
        self.user_id = user_id

    async def get(self, task_id: UUID) -> UserTask:
        found = await self.tasks.get_owned(self.user_id, task_id)
        if found is None:
            raise TaskNotFoundError(task_id)
        return found

    async def scroll(self, query: CursorQuery) -> tuple[Rows, UUID | None]:
        return await self.tasks.scroll_of(self.user_id, query)


class TaskService(TaskReader):
    def __init__(
        self, tasks: TaskCRUD, user_id: UUID, queue: TaskQueue, settings: TaskSettings
    ) -> None:
        super().__init__(tasks, user_id)
        self.queue = queue
        self.settings = settings

    async def start(self, task: Task[Any], payload: BaseModel) -> UserTask:
        """Send a task after the commit; its owner can follow and cancel it."""
        record = UserTask(
            id=uuid7(),
            user_id=self.user_id,
            name=task.name,
            status=TaskStatus.QUEUED,
            expires_at=_expiry(self.settings),
        )
        await self.tasks.add(record)
        await self.queue.enqueue(
            self.tasks.session, task, payload, task_id=record.id, owner_id=self.user_id
        )
        return record

    async def cancel(self, task_id: UUID) -> UserTask:
        """After this nothing of it is committed. A worker that is at it stops within seconds."""
        await self.get(task_id)
        now = datetime.now(UTC)
        if not await self.tasks.move(
            task_id,
            *_OPEN,
            status=TaskStatus.CANCELLED,
            finished_at=now,
            expires_at=_expiry(self.settings),
        ):
            raise TaskOverError
        return await self.get(task_id)


class Progress(TaskListener):
    """Writes down what becomes of the tasks."""

    def __init__(self, settings: TaskSettings) -> None:
        self._settings = settings

    async def starting(self, session: AsyncSession, message: TaskMessage) -> bool:
        # Failed ones are sent again by hand. One that is gone was erased with its owner.
        return await TaskCRUD(session).move(
            message.id,
            *_OPEN,
            TaskStatus.FAILED,
            status=TaskStatus.RUNNING,
            started_at=datetime.now(UTC),
            finished_at=None,
            error_code=None,
        )

    async def is_cancelled(self, session: AsyncSession, message: TaskMessage) -> bool:
        return await TaskCRUD(session).status_of(message.id) != TaskStatus.RUNNING

    async def finishing(
        self, session: AsyncSession, message: TaskMessage, result: JsonValue
    ) -> bool:
        return await TaskCRUD(session).move(
            message.id,
            TaskStatus.RUNNING,
            **self._over(TaskStatus.SUCCEEDED),
            result=result,
        )

    async def failing(self, session: AsyncSession, message: TaskMessage, code: str) -> None:
        over = self._over(TaskStatus.FAILED)
        await TaskCRUD(session).move(message.id, *_OPEN, **over, error_code=code)

    def _over(self, status: TaskStatus) -> dict[str, Any]:
        return {
            "status": status,
            "finished_at": datetime.now(UTC),
            "expires_at": _expiry(self._settings),
        }


class TaskPurge(Purge):
    name: ClassVar[str] = "user_tasks"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await delete_expired(session, now)
