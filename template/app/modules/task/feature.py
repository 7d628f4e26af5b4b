from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, late_router

from .permissions import READ_TASKS, WRITE_TASKS
from .privacy import TasksData
from .service import Progress, TaskPurge
from .settings import TaskSettings


def feature(settings: TaskSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"task_settings": settings}

    return Feature(
        name="task",
        routers=(late_router(__package__, "/tasks"),),
        lifespan=lifespan,
        extensions=(READ_TASKS, WRITE_TASKS, Progress(settings), TaskPurge(), TasksData()),
    )
