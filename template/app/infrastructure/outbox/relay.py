"""Hands what was stored to the broker."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import State
from app.infrastructure.celery.queue import TaskQueue
from app.infrastructure.celery.tasks import Dispatcher, TaskMessage
from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database
from app.infrastructure.timing.waiting import backoff_seconds, happens_within

from .models import OutboxMessage
from .settings import OutboxSettings
from .store import claim, refuse, release, remove, store

logger = structlog.get_logger()

# A statement's worth: larger ones are hardly faster.
_BATCH = 100
# What a process that stops still spends on sending.
_CLOSE_SECONDS = 5


class Relay:
    """Sends messages at least once: one whose sender dies is sent again when its lease is over.

    Any number of them may be at work. None holds a transaction while it waits for the broker. They
    send the oldest first; with several of them, or after a failure, the order can be another.
    """

    def __init__(self, database: Database, queue: TaskQueue, settings: OutboxSettings) -> None:
        self._database = database
        self._queue = queue
        self._settings = settings
        self._is_running = False
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._failures = 0
        """In a row."""
        self._failing_since = 0.0
        self._retry_at = 0.0

    async def notice(self) -> None:
        """Something was stored: it is sent at once, here unless there is a task for it."""
        if self._is_running:
            self._woken.set()
        elif monotonic() >= self._retry_at:
            await self._attempt()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Send whatever is stored, by whichever process, in a task of its own."""
        self._is_running = True
        self._stopping.clear()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._stopping.set()
            self._woken.set()
            await asyncio.wait([task], timeout=_CLOSE_SECONDS)
            task.cancel()
            await asyncio.wait([task])
            self._is_running = False

    async def _run(self) -> None:
        while True:
            # First: what is stored from now on wakes it again, and gets a last attempt.
            is_last = self._stopping.is_set()
            self._woken.clear()
            is_more = await self._attempt()
            if is_last:
                return
            if not is_more:
                await self._pause()

    async def _pause(self) -> None:
        if self._failures:
            await happens_within(self._stopping, self._retry_at - monotonic())
        elif not self._stopping.is_set():
            await happens_within(self._woken, self._settings.poll_interval_seconds)

    async def _attempt(self) -> bool:
        """Send one batch; whether there may be more."""
        try:
            if self._failures:
                # No message is tried while nothing is taken.
                await self._queue.sender.ping()
            is_more = await self._send_batch()
        except Exception as exc:  # noqa: BLE001 (nothing may end it)
            self._begin_outage(exc)
            return False
        self._end_outage()
        return is_more

    async def _send_batch(self) -> bool:
        now, lease = datetime.now(UTC), timedelta(seconds=self._settings.lease_seconds)
        ends = monotonic() + self._settings.lease_seconds / 2
        async with self._database.transaction() as session:
            claimed = await claim(session, now, until=now + lease, limit=_BATCH)
        sent: list[UUID] = []
        error: Exception | None = None
        try:
            for row in claimed:
                await self._queue.send(TaskMessage.model_validate(row.message))
                sent.append(row.id)
                if monotonic() >= ends:
                    break
        except Exception as exc:
            error = exc
            raise
        finally:
            # Also when it is cancelled.
            await self._settle(claimed, sent, error)
        return len(sent) < len(claimed) or len(claimed) == _BATCH

    async def _settle(
        self, claimed: Sequence[OutboxMessage], sent: Sequence[UUID], error: Exception | None
    ) -> None:
        if not claimed:
            return
        now, left = datetime.now(UTC), claimed[len(sent) :]
        async with self._database.transaction() as session:
            await remove(session, sent)
            if error is not None:
                # It may be the message's own fault: let the others pass.
                row, *left = left
                due_at = now + timedelta(seconds=self._wait_seconds(row.attempts + 1))
                await refuse(session, row, _reason(error), due_at)
            await release(session, [row.id for row in left], now)

    def _begin_outage(self, error: Exception) -> None:
        self._failures += 1
        self._retry_at = monotonic() + self._wait_seconds(self._failures)
        if self._failures == 1:
            self._failing_since = monotonic()
            logger.warning("outbox waits", error=_reason(error))

    def _end_outage(self) -> None:
        if self._failures:
            self._failures = 0
            seconds = round(monotonic() - self._failing_since, 1)
            logger.info("outbox goes on", seconds=seconds)

    def _wait_seconds(self, failures: int) -> float:
        settings = self._settings
        return backoff_seconds(
            failures, first=settings.retry_wait_seconds, longest=settings.retry_max_wait_seconds
        )


class OutboxDispatcher(Dispatcher):
    """Stores messages in the transaction that they are about."""

    def __init__(self) -> None:
        self._relay: Relay | None = None

    def open(self, relay: Relay) -> None:
        self._relay = relay

    def close(self) -> None:
        """What is stored from now on is sent by others."""
        self._relay = None

    async def dispatch(self, session: AsyncSession, message: TaskMessage) -> None:
        await store(session, message)
        if self._relay is not None:
            after_commit(session, self._relay.notice)


def relay_of(state: State) -> Relay:
    relay: Relay = state["outbox_relay"]
    return relay


def _reason(error: Exception) -> str:
    # Without its text, which may hold an address or what is sent.
    return type(error.__cause__ or error).__name__
