"""How tasks are sent: after the commit, to a broker or to the process itself."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import structlog
from fastapi import Depends
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from uuid_utils.compat import uuid7

from app.core.errors import UnavailableError
from app.core.extensions import Extensions
from app.core.feature import State
from app.core.measures import Counter
from app.core.operations import Operations
from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database

from .broker import hard_limit, publish
from .errors import BrokerUnreachableError
from .settings import CelerySettings
from .tasks import Dispatcher, Task, TaskListener, TaskMessage

if TYPE_CHECKING:
    from celery import Celery

logger = structlog.get_logger()

# Enough for hundreds of messages a second; threads that wait for a dead broker are no more.
_THREADS = 4
_PING_TIMEOUT_SECONDS = 1


LOST = Counter("tasks_lost", "Tasks that could not be sent.", "task")


class Sender(ABC):
    """Hands messages over."""

    is_inline = False
    """Whether a task is done when `send` returns."""

    @abstractmethod
    async def send(self, message: TaskMessage) -> None:
        """Raises `BrokerUnreachableError` within the dispatch timeout."""

    @abstractmethod
    async def ping(self) -> None:
        """Raises `BrokerUnreachableError` unless messages can be sent."""

    @abstractmethod
    async def aclose(self) -> None: ...


class BrokerSender(Sender):
    """Celery sends with blocking calls: in threads of its own, which starve nobody else."""

    def __init__(self, celery: "Celery", extensions: Extensions, settings: CelerySettings) -> None:
        self._celery = celery
        self._tasks: dict[str, Task[Any]] = {task.name: task for task in extensions.of(Task)}
        self._settings = settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="task-sender")

    async def send(self, message: TaskMessage) -> None:
        task = self._tasks.get(message.name)
        # One that was stored by another version of the service: workers keep what they do not know.
        queue = None if task is None else task.queue
        await self._bounded(partial(publish, self._celery, message, queue=queue))

    async def ping(self) -> None:
        await self._bounded(self._connect)

    async def aclose(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._celery.close()

    def _connect(self) -> None:
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=0, timeout=_PING_TIMEOUT_SECONDS)

    async def _bounded(self, call: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.dispatch_timeout_seconds):
                await loop.run_in_executor(self._threads, call)
        except Exception as exc:
            # Every transport has its own errors; their texts may hold the address.
            raise BrokerUnreachableError(type(exc).__name__) from exc


class TaskQueue:
    """What requests and tasks send with; `request.state.task_queue`."""

    def __init__(
        self, sender: Sender, database: Database, extensions: Extensions, settings: CelerySettings
    ) -> None:
        self.sender = sender
        self.lost = 0
        """Messages that could not be sent since the start of the process."""
        self._database = database
        self._tasks = frozenset(task.name for task in extensions.of(Task))
        self._listeners = extensions.of(TaskListener)
        self._dispatchers = extensions.of(Dispatcher)
        self._operations = Operations(extensions)
        for task in extensions.of(Task):
            hard_limit(settings, task)

    async def enqueue(
        self,
        session: AsyncSession,
        task: Task[Any],
        payload: BaseModel,
        *,
        task_id: UUID | None = None,
        owner_id: UUID | None = None,
    ) -> UUID:
        """Send a task when the transaction is committed, and not if it is undone; its id.

        A broker that is down does not fail the request: the message is lost then, and logged,
        unless a feature lists a `Dispatcher`.
        """
        if task.name not in self._tasks:
            raise LookupError(f"no feature lists the task {task.name} in its extensions")
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        message = TaskMessage(
            id=task_id or uuid7(),
            name=task.name,
            payload=payload.model_dump(mode="json"),
            request_id=request_id,
            carried=self._operations.carried(),
            owner_id=owner_id,
        )
        if self._dispatchers:
            await self._dispatchers[0].dispatch(session, message)
        else:
            after_commit(session, partial(self._send_or_lose, message))
        return message.id

    async def send(self, message: TaskMessage) -> None:
        """Send it now. Raises `BrokerUnreachableError`; it may have been sent even so."""
        await self.sender.send(message)

    async def _send_or_lose(self, message: TaskMessage) -> None:
        try:
            await self.send(message)
        except BrokerUnreachableError as exc:
            self.lost += 1
            LOST.add(message.name)
            reason = type(exc.__cause__).__name__
            logger.error(  # noqa: TRY400 (the traceback says no more)
                "task lost", name=message.name, id=str(message.id), reason=reason, lost=self.lost
            )
            await self._tell(message, exc)

    async def _tell(self, message: TaskMessage, error: UnavailableError) -> None:
        if message.owner_id is None:
            return
        async with self._database.transaction() as session:
            for listener in self._listeners:
                await listener.failing(session, message, error.code)


def task_queue_of(state: State) -> TaskQueue:
    return cast("TaskQueue", state["task_queue"])


async def get_task_queue(connection: HTTPConnection) -> TaskQueue:
    return cast("TaskQueue", connection.state.task_queue)


TaskQueueDep = Annotated[TaskQueue, Depends(get_task_queue)]
