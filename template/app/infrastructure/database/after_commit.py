from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.measures import Counter

logger = structlog.get_logger()

Callback = Callable[[], Awaitable[None]]
_COMMIT, _ROLLBACK = "after_commit", "after_rollback"


def after_commit(session: AsyncSession, callback: Callback) -> None:
    """Do something once the transaction is safe: send a mail, drop a cache entry, queue a task.

    Callbacks run in order, before the response is sent, and not at all after a rollback. One that
    fails is logged and does not turn a committed request into an error; a crash in between loses
    it.
    """
    session.info.setdefault(_COMMIT, []).append(callback)


def count_after_commit(session: AsyncSession, counter: Counter, *values: str) -> None:
    """Only what is stored has happened."""

    async def count() -> None:
        counter.add(*values)

    after_commit(session, count)


def after_rollback(session: AsyncSession, callback: Callback) -> None:
    """Do something if the transaction is undone: record what was refused.

    Only then is the lock free that a transaction of its own takes on SQLite. Like `after_commit`
    in all else.
    """
    session.info.setdefault(_ROLLBACK, []).append(callback)


async def run_after_commit(session: AsyncSession) -> None:
    await _run(session, _COMMIT)


async def run_after_rollback(session: AsyncSession) -> None:
    await _run(session, _ROLLBACK)


async def _run(session: AsyncSession, key: str) -> None:
    callbacks: list[Callback] = session.info.pop(key, [])
    for callback in callbacks:
        try:
            await callback()
        except Exception:
            logger.exception("a callback failed", kind=key)
