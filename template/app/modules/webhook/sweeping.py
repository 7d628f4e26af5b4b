from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from app.infrastructure.celery.queue import TaskQueue
from app.infrastructure.database.database import Database
from app.infrastructure.timing.regular import regularly

from .delivery import Courier


def sweeping(
    database: Database, courier: Courier, queue: TaskQueue
) -> AbstractAsyncContextManager[None]:
    """Where there is no broker there is no beat: the process itself looks for what is due."""

    async def job() -> None:
        async with database.transaction() as session:
            await courier.sweep(session, queue, datetime.now(UTC))

    return regularly(job, lambda: courier.settings.sweep_interval_seconds, name="webhook sweep")
