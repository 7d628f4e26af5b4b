"""Doing a task, the same in a worker and in the process of the service."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any, ClassVar

import structlog
from pydantic import JsonValue
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import DomainError, UnavailableError
from app.core.feature import State
from app.core.measures import Counter, Histogram
from app.core.operations import Operation, Operations
from app.infrastructure.database.affected import affected
from app.infrastructure.database.after_commit import count_after_commit
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge
from app.infrastructure.database.upsert import upsert
from app.infrastructure.timing.limit import time_limit
from app.infrastructure.timing.waiting import backoff_seconds

from .dead_letters import keep
from .errors import TaskRetryError, TaskTimeoutError
from .models import TaskExecution
from .settings import CelerySettings
from .tasks import Task, TaskContext, TaskListener, TaskMessage

logger = structlog.get_logger()

FAILED = "task.failed"
DURATIONS = Histogram(
    "task_duration_seconds", "Attempts at tasks, by what became of them.", "task", "outcome"
)
GIVEN_UP = Counter("tasks_given_up", "Tasks that have failed for good.", "task")
# A broker hands out again within hours.
_REMEMBERED = timedelta(days=7)


async def once(session: AsyncSession, key: str) -> bool:
    """Whether the transaction is the first that does what `key` names.

    The note of it is part of the transaction: if that is undone, the next one is the first. One
    that runs at the same moment waits for this one.
    """
    values = {"key": key, "at": datetime.now(UTC)}
    statement = upsert(session, TaskExecution.__table__).values(values).on_conflict_do_nothing()
    return await affected(session, statement) == 1


class ExecutionPurge(Purge):
    name: ClassVar[str] = "task_executions"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        old = delete(TaskExecution).where(TaskExecution.at < now - _REMEMBERED)
        return await affected(session, old)


class _UndoneError(Exception):
    """The work must not be committed: it was done already, or was cancelled."""


class TaskRunner:
    """Does tasks with what the process has opened."""

    def __init__(self, state: State, settings: CelerySettings) -> None:
        self._state = state
        self._settings = settings
        self._database: Database = state["database"]
        self._tasks: dict[str, Task[Any]] = {it.name: it for it in state["extensions"].of(Task)}
        self._operations = Operations(state["extensions"])
        self._listeners: tuple[TaskListener, ...] = state["extensions"].of(TaskListener)

    async def run(self, message: TaskMessage, attempt: int) -> None:
        """Do it, and write a line to the log.

        Raises `TaskRetryError`, or what has failed for good, which is then a dead letter.
        """
        operation = Operation(
            f"task {message.name}",
            {"messaging.operation.type": "process", "messaging.message.id": str(message.id)},
        )
        with self._operations.resumed(operation, message.carried):
            await self._run_and_log(message, attempt)

    async def _run_and_log(self, message: TaskMessage, attempt: int) -> None:
        started = perf_counter()
        outcome, error = "failed", None
        try:
            outcome = await self._attempt(message, attempt)
        except TaskRetryError as exc:
            outcome, error = "retry", type(exc.__cause__).__name__
            raise
        except Exception as exc:
            error = type(exc).__name__
            logger.exception("task failed", name=message.name, attempt=attempt)
            raise
        finally:
            seconds = perf_counter() - started
            DURATIONS.observe(seconds, message.name, outcome)
            logger.info(
                "task",
                name=message.name,
                attempt=attempt,
                outcome=outcome,
                error=error,
                duration_ms=round(seconds * 1000, 2),
            )

    async def fail(
        self, message: TaskMessage, error: Exception, *, attempts: int, code: str = FAILED
    ) -> None:
        """Keep it as a dead letter."""
        async with self._database.transaction() as session:
            await keep(session, message, error=type(error).__name__, code=code, attempts=attempts)
            for listener in self._followers(message):
                await listener.failing(session, message, code)
            # Of an unknown name there could be any number.
            name = message.name if message.name in self._tasks else "unknown"
            count_after_commit(session, GIVEN_UP, name)

    async def _attempt(self, message: TaskMessage, attempt: int) -> str:
        task = self._tasks[message.name]
        try:
            return await self._unless_done(task, message, attempt)
        except Exception as exc:
            if isinstance(exc, task.retry_on) and attempt <= task.retries:
                raise TaskRetryError(self._wait_seconds(attempt)) from exc
            code = exc.code if isinstance(exc, DomainError) else FAILED
            try:
                await self.fail(message, exc, attempts=attempt, code=code)
            except UnavailableError as unkept:
                # Not lost with the database: whatever the task says, later.
                raise TaskRetryError(self._settings.retry_max_wait_seconds) from unkept
            raise

    async def _unless_done(self, task: Task[Any], message: TaskMessage, attempt: int) -> str:
        async with self._database.reading() as session:
            is_done = select(TaskExecution.key).where(TaskExecution.key == str(message.id))
            if await session.scalar(is_done) is not None:
                return "done before"
        if not await self._is_wanted(message):
            return "not wanted"
        work = self._work(task, message, attempt)
        try:
            await (self._cancellable(message, work) if self._followers(message) else work)
        except _UndoneError:
            return "undone"
        return "done"

    def _followers(self, message: TaskMessage) -> tuple[TaskListener, ...]:
        return () if message.owner_id is None else self._listeners

    async def _is_wanted(self, message: TaskMessage) -> bool:
        if not (followers := self._followers(message)):
            return True
        async with self._database.transaction() as session:
            return all([await it.starting(session, message) for it in followers])

    async def _work(self, task: Task[Any], message: TaskMessage, attempt: int) -> None:
        payload = task.payload.model_validate(message.payload)
        limit = task.soft_time_limit_seconds or self._settings.soft_time_limit_seconds
        async with self._database.transaction() as session:
            context = TaskContext(message, session, self._state, attempt)
            async with time_limit(limit, TaskTimeoutError):
                result = await task.function(context, payload)
            await self._finish(session, message, result)

    async def _finish(self, session: AsyncSession, message: TaskMessage, result: JsonValue) -> None:
        if not await once(session, str(message.id)):
            raise _UndoneError
        for listener in self._followers(message):
            if not await listener.finishing(session, message, result):
                raise _UndoneError

    async def _cancellable(self, message: TaskMessage, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, unless the owner of the task cancels it."""
        running = asyncio.create_task(work)
        watch = asyncio.create_task(self._watch(message, running))
        try:
            await running
        except (asyncio.CancelledError, UnavailableError):
            # A service that stops cancels too.
            if not watch.done():
                raise
            raise _UndoneError from None
        finally:
            watch.cancel()
            await asyncio.wait([watch])

    async def _watch(self, message: TaskMessage, work: asyncio.Task[Any]) -> None:
        while True:
            await asyncio.sleep(self._settings.cancel_check_seconds)
            try:
                async with self._database.reading() as session:
                    answers = [await it.is_cancelled(session, message) for it in self._listeners]
            except UnavailableError:
                continue
            if any(answers):
                work.cancel()
                return

    def _wait_seconds(self, attempt: int) -> float:
        settings = self._settings
        return backoff_seconds(
            attempt, first=settings.retry_wait_seconds, longest=settings.retry_max_wait_seconds
        )
