import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from .waiting import happens_within

logger = structlog.get_logger()

# Platforms wait 30 seconds in all.
_PATIENCE_SECONDS = 5


@asynccontextmanager
async def regularly(
    job: Callable[[], Awaitable[object]], pause_seconds: Callable[[], float], *, name: str
) -> AsyncGenerator[None]:
    """Do a job again and again, beside what is done in the block; failures go to the log.

    At the end the one that is under way is finished, if that takes no longer than 5 seconds: a
    statement that is cancelled costs a connection.
    """
    is_over, failed = asyncio.Event(), f"{name} failed"

    async def run() -> None:
        while True:
            if await happens_within(is_over, pause_seconds()):
                return
            try:
                await job()
            except Exception:
                logger.exception(failed)

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        is_over.set()
        await asyncio.wait([task], timeout=_PATIENCE_SECONDS)
        task.cancel()
        await asyncio.wait([task])
