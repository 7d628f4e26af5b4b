from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

logger = structlog.get_logger()

Callback = Callable[[], Awaitable[None]]
_KEY = "after_commit"


def after_commit(session: AsyncSession, callback: Callback) -> None:
    """Do something once the transaction is safe: send a mail, drop a cache entry, queue a task.

    Callbacks run in order, before the response is sent, and not at all after a rollback. One that
    fails is logged and does not turn a committed request into an error; a crash in between loses
    it.
    """
    session.info.setdefault(_KEY, []).append(callback)


async def run_after_commit(session: AsyncSession) -> None:
    callbacks: list[Callback] = session.info.pop(_KEY, [])
    for callback in callbacks:
        try:
            await callback()
        except Exception:
            logger.exception("an after-commit callback failed")
