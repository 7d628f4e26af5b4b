from typing import Annotated, cast

from fastapi import Depends, Request, Response
from starlette.requests import HTTPConnection

from app.infrastructure.celery.queue import TaskQueueDep
from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.modules.user.dependencies import CurrentUserDep, requires
from app.modules.user.models import CurrentUser

from .crud import TaskCRUD
from .models import UserTask
from .permissions import READ_TASKS, WRITE_TASKS
from .service import TaskReader, TaskService
from .settings import TaskSettings


async def get_task_settings(connection: HTTPConnection) -> TaskSettings:
    return cast("TaskSettings", connection.state.task_settings)


TaskSettingsDep = Annotated[TaskSettings, Depends(get_task_settings)]


async def get_task_starter(
    user: CurrentUserDep, session: SessionDep, queue: TaskQueueDep, settings: TaskSettingsDep
) -> TaskService:
    return TaskService(TaskCRUD(session), user.id, queue, settings)


async def get_task_service(
    user: Annotated[CurrentUser, requires(WRITE_TASKS)],
    session: SessionDep,
    queue: TaskQueueDep,
    settings: TaskSettingsDep,
) -> TaskService:
    return TaskService(TaskCRUD(session), user.id, queue, settings)


async def get_task_reader(
    user: Annotated[CurrentUser, requires(READ_TASKS)], session: ReadSessionDep
) -> TaskReader:
    return TaskReader(TaskCRUD(session), user.id)


TaskServiceDep = Annotated[TaskService, Depends(get_task_service)]
TaskReaderDep = Annotated[TaskReader, Depends(get_task_reader)]
TaskStarterDep = Annotated[TaskService, Depends(get_task_starter)]
"""For routes that start tasks for whoever calls; see `accepted`."""


def accepted(request: Request, response: Response, task: UserTask) -> UserTask:
    """Answer where the task can be followed; the route says 202 and `TaskAccepted`."""
    response.headers["Location"] = request.url_for("read_task", task_id=task.id).path
    return task
