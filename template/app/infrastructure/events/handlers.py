"""Who wants to know what has happened: declared by the features."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import State

from .event import Envelope, Event

Data = TypeVar("Data", bound=BaseModel)
Happened = TypeVar("Happened", bound=Event)

NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class EventContext:
    envelope: Envelope
    session: AsyncSession
    """One transaction, committed when the handler returns. It begins with the first statement: do
    what takes long before."""
    state: State
    """What the features of the process have opened."""
    attempt: int
    """1 for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHandler(Generic[Happened]):
    """An entry of `Feature.extensions`, made with `handles`."""

    name: str
    event: type[Happened]
    function: Callable[[EventContext, Happened], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicEventHandler(Generic[Data]):
    """An entry of `Feature.extensions`, made with `handles_public`."""

    name: str
    event_name: str
    version: int
    data: type[Data]
    function: Callable[[EventContext, Data], Awaitable[None]]


def handles(
    event: type[Happened], *, name: str | None = None
) -> Callable[[Callable[[EventContext, Happened], Awaitable[None]]], EventHandler[Happened]]:
    """Make an async function a handler of what happens in this process.

    It runs after the commit, beside the request, once: if it fails that is logged, and a process
    that dies forgets it. It gets the events in the order of their commits, one after another, so a
    slow handler delays itself and nobody else.
    """

    def declare(
        function: Callable[[EventContext, Happened], Awaitable[None]],
    ) -> EventHandler[Happened]:
        return EventHandler(name=name or _name_of(function), event=event, function=function)

    return declare


def handles_public(
    event_name: str, data: type[Data], *, version: int = 1, name: str | None = None
) -> Callable[[Callable[[EventContext, Data], Awaitable[None]]], PublicEventHandler[Data]]:
    """Make an async function a handler of what this or another service tells in public.

    `events consume` runs it. `data` has the fields that this service reads. What the handler does
    in `context.session` is done exactly once for each event, because a note of it is committed with
    it; anything else must bear to be done twice. `name` is part of the note: give one, and keep it,
    where the function may move.
    """

    def declare(
        function: Callable[[EventContext, Data], Awaitable[None]],
    ) -> PublicEventHandler[Data]:
        return PublicEventHandler(
            name=name or _name_of(function),
            event_name=event_name,
            version=version,
            data=data,
            function=function,
        )

    return declare


class PublicEventKeeper(ABC):
    """Takes over public events in the transaction in which they happen.

    An entry of `Feature.extensions`. Without any, they are sent right after the commit, and lost if
    Redis is down.
    """

    @abstractmethod
    async def keep(self, session: AsyncSession, envelope: Envelope) -> None:
        """Store it, and see to it that `EventBus.send` is called until that succeeds."""


def _name_of(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__qualname__}"[-NAME_LENGTH:]
