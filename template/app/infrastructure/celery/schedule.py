"""Beat: sends what features declare as `Periodic`, once, however many beats there are."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import structlog
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedstate
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import UnavailableError
from app.core.extensions import Extensions
from app.core.feature import State
from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert
from app.infrastructure.heartbeat.heartbeat import Heartbeat

from .broker import publish
from .models import ScheduledRun
from .runtime import Runtime
from .settings import BEAT
from .tasks import Periodic, TaskMessage

logger = structlog.get_logger()

Result = TypeVar("Result")


def beat_schedule(extensions: Extensions) -> dict[str, dict[str, Any]]:
    return {
        item.task.name: {
            "task": item.task.name,
            "schedule": item.every,
            "options": {"queue": item.task.queue},
        }
        for item in extensions.of(Periodic)
    }


async def last_sent(session: AsyncSession, name: str, now: datetime) -> datetime:
    """When an entry was last sent; one that is new counts from `now`."""
    values = {"name": name, "last_sent_at": now}
    table = ScheduledRun.__table__
    await session.execute(upsert(session, table).values(values).on_conflict_do_nothing())
    sent = select(ScheduledRun.last_sent_at).where(ScheduledRun.name == name)
    return (await session.scalars(sent)).one()


async def claim(session: AsyncSession, name: str, *, seen: datetime, at: datetime) -> bool:
    """Whether this beat is the one that sends what was last sent when `seen` says."""
    statement = (
        update(ScheduledRun)
        .where(ScheduledRun.name == name, ScheduledRun.last_sent_at == seen)
        .values(last_sent_at=at)
    )
    return await affected(session, statement) == 1


class StoredScheduler(Scheduler):  # type: ignore[misc]
    """Keeps in the database when it sent what, so that it needs no file and no twin is in its way.

    Of several beats each finds an entry due; the one whose claim succeeds sends it. A restart
    neither repeats nor postpones anything.
    """

    producer = None
    """Of the pool: the one of Celery's own would wait for a dead broker for ever."""
    _has_failed = False

    def setup_schedule(self) -> None:
        super().setup_schedule()
        self._runtime.open()
        for entry in self.schedule.values():
            self._refresh(entry)

    def tick(self, *_: object, **__: object) -> float:
        self._heartbeat.touch()
        wait = cast("float", super().tick())
        if self._has_failed:
            self._has_failed = False
            # Computed anew from what the entries say now.
            self._heap = None
            return float(self.max_interval)
        return wait

    def is_due(self, entry: ScheduleEntry) -> schedstate:
        state = entry.is_due()
        if not state.is_due:
            return state
        try:
            # Another beat may have sent it.
            self._refresh(entry)
        except UnavailableError as exc:
            self._try_later("schedule unavailable", entry, exc)
            return schedstate(is_due=False, next=self.max_interval)
        return entry.is_due()

    def apply_entry(self, entry: ScheduleEntry, producer: None = None) -> None:  # noqa: ARG002
        now, seen = datetime.now(UTC), entry.last_run_at
        try:
            is_ours = self._claim(entry, seen=seen, at=now)
        except UnavailableError as exc:
            self._try_later("schedule unavailable", entry, exc)
            return
        if is_ours:
            self._send(entry, seen=seen, at=now)

    def _send(self, entry: ScheduleEntry, *, seen: datetime, at: datetime) -> None:
        message = TaskMessage(id=uuid7(), name=entry.task, payload={})
        try:
            publish(self.app, message, queue=entry.options["queue"])
        except Exception as exc:  # noqa: BLE001 (every transport has its own)
            self._try_later("schedule not sent", entry, exc)
            self._claim(entry, seen=at, at=seen)
        else:
            logger.info("scheduled", name=entry.name, task_id=str(message.id))

    def _try_later(self, event: str, entry: ScheduleEntry, error: Exception) -> None:
        # Without its text, which may hold an address.
        logger.error(event, name=entry.name, error=type(error).__name__)
        self.schedule[entry.name].last_run_at = entry.last_run_at
        self._has_failed = True

    def close(self) -> None:
        super().close()
        self._heartbeat.remove()
        self._runtime.close()

    @property
    def _runtime(self) -> Runtime:
        return cast("Runtime", self.app.runtime)

    @property
    def _heartbeat(self) -> Heartbeat:
        return self._runtime.settings.heartbeat(BEAT)

    def _refresh(self, entry: ScheduleEntry) -> None:
        now = datetime.now(UTC)
        entry.last_run_at = self._in_transaction(lambda it: last_sent(it, entry.name, now))

    def _claim(self, entry: ScheduleEntry, *, seen: datetime, at: datetime) -> bool:
        return self._in_transaction(lambda it: claim(it, entry.name, seen=seen, at=at))

    def _in_transaction(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async def run(state: State) -> Result:
            async with state["database"].transaction() as session:
                return await work(session)

        return self._runtime.run(run)
