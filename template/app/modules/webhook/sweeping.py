"""Where there is no broker there is no beat: the process itself looks for what is due."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog

from app.infrastructure.celery.queue import TaskQueue
from app.infrastructure.database.database import Database

from .delivery import Courier

logger = structlog.get_logger()


@asynccontextmanager
async def sweeping(database: Database, courier: Courier, queue: TaskQueue) -> AsyncGenerator[None]:
    is_over = asyncio.Event()
    running = asyncio.create_task(_sweep_regularly(database, courier, queue, is_over))
    try:
        yield
    finally:
        # Not cancelled: a statement that is says that the database cannot be reached, and the loop
        # would go on.
        is_over.set()
        await running


async def _sweep_regularly(
    database: Database, courier: Courier, queue: TaskQueue, is_over: asyncio.Event
) -> None:
    ending = asyncio.create_task(is_over.wait())
    while True:
        done, _ = await asyncio.wait([ending], timeout=courier.settings.sweep_interval_seconds)
        if done:
            return
        try:
            async with database.transaction() as session:
                await courier.sweep(session, queue, datetime.now(UTC))
        except Exception:
            logger.exception("webhook sweep failed")
