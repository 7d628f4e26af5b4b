"""What a task is: declared by a feature, sent by a request, done by a worker."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import UnavailableError
from app.core.feature import State

if TYPE_CHECKING:
    from celery.schedules import BaseSchedule

Payload = TypeVar("Payload", bound=BaseModel)


class NoPayload(BaseModel):
    """Of a task that needs to be told nothing."""


class TaskMessage(BaseModel):
    """What is sent: ids rather than copies of rows, which may have changed when it is read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID
    name: str
    payload: dict[str, JsonValue]
    request_id: str | None = None
    """Of the request that sent it, for the logs."""
    carried: dict[str, str] = {}
    """What else is said about the work in which it was sent; see `Operations`."""
    owner_id: UUID | None = None
    """For whom it is done, if they can follow and cancel it."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    message: TaskMessage
    session: AsyncSession
    """One transaction: committed with the note that the task is done, so for a task that is
    delivered again its work in the database is done exactly once. It begins with the first
    statement: do what takes long before."""
    state: State
    """What the features of the process have opened."""
    attempt: int
    """1 for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[Payload]):
    """An entry of `Feature.extensions`, made with `task`."""

    name: str
    payload: type[Payload]
    function: Callable[[TaskContext, Payload], Awaitable[JsonValue]]
    retries: int = 5
    """Attempts after the first."""
    retry_on: tuple[type[Exception], ...] = (UnavailableError,)
    """What may be gone the next time; anything else fails for good at once."""
    soft_time_limit_seconds: float | None = None
    """None: as the settings say. A task that needs longer may have more than those."""
    time_limit_seconds: float | None = None
    queue: str | None = None
    """One of its own, for which workers of its own can be started."""


def task(
    name: str,
    payload: type[Payload],
    **options: Any,  # noqa: ANN401 (the fields of `Task`)
) -> Callable[[Callable[[TaskContext, Payload], Awaitable[JsonValue]]], Task[Payload]]:
    """Make a task of an async function, which may return a JSON value for its owner to see.

    It is delivered at least once. What it does outside of the database must bear to be done twice.
    """

    def declare(function: Callable[[TaskContext, Payload], Awaitable[JsonValue]]) -> Task[Payload]:
        return Task(name=name, payload=payload, function=function, **options)

    return declare


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """Sends a task at its times; an entry of `Feature.extensions`."""

    task: Task[NoPayload]
    every: "timedelta | BaseSchedule"
    """Or a `celery.schedules.crontab`, in UTC."""


class TaskListener(ABC):
    """Follows the tasks that have an owner; an entry of `Feature.extensions`."""

    @abstractmethod
    async def starting(self, session: AsyncSession, message: TaskMessage) -> bool:
        """Whether it may run, in a transaction of its own. Asked again for each attempt."""

    @abstractmethod
    async def is_cancelled(self, session: AsyncSession, message: TaskMessage) -> bool:
        """Asked again and again while it runs."""

    @abstractmethod
    async def finishing(
        self, session: AsyncSession, message: TaskMessage, result: JsonValue
    ) -> bool:
        """Called in the transaction of the work, before its commit; False: undo it."""

    @abstractmethod
    async def failing(self, session: AsyncSession, message: TaskMessage, code: str) -> None:
        """It has failed for good, or could not be sent."""


class Dispatcher(ABC):
    """Takes over what is to be sent after the commit; an entry of `Feature.extensions`.

    Without any, messages are handed to the broker right after the commit, and lost if it is down.
    """

    @abstractmethod
    async def dispatch(self, session: AsyncSession, message: TaskMessage) -> None:
        """Keep it, or see to it that `TaskQueue.send` is called."""
