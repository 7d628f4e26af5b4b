from typing import Annotated
from uuid import UUID

from fastapi import Query

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import CursorPage, CursorQuery, cursor_page_of
from app.modules.common.problems import raises
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import TaskReaderDep, TaskServiceDep
from .errors import TaskNotFoundError, TaskOverError
from .models import UserTask
from .schemas import TaskRead

router = PrefixRouter(
    prefix="/tasks",
    tags=["tasks"],
    responses=raises(
        NotAuthenticatedError,
        InsufficientScopeError,
        DatabaseBusyError,
        DatabaseUnreachableError,
    ),
)


@router.get("", response_model=CursorPage[TaskRead])
async def list_tasks(
    tasks: TaskReaderDep, query: Annotated[CursorQuery, Query()]
) -> dict[str, object]:
    """Go through your background tasks, newest first."""
    return cursor_page_of(*await tasks.scroll(query))


@router.get("/{task_id:uuid}", response_model=TaskRead, responses=raises(TaskNotFoundError))
async def read_task(tasks: TaskReaderDep, task_id: UUID) -> UserTask:
    """Follow one of your tasks: its status and, when it is over, its result."""
    return await tasks.get(task_id)


@router.post(
    "/{task_id:uuid}/cancel",
    response_model=TaskRead,
    responses=raises(TaskNotFoundError, TaskOverError),
)
async def cancel_task(tasks: TaskServiceDep, task_id: UUID) -> UserTask:
    """Stop one of your tasks: a queued one never runs, and of a running one nothing is kept."""
    return await tasks.cancel(task_id)
