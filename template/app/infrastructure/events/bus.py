"""Telling what has happened: after the commit, to the handlers of this process and to others."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.core.extensions import Extensions
from app.core.feature import State
from app.core.operations import Operations
from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.redis.outage import OutageGuard

from .event import Envelope, Event
from .handlers import EventHandler, PublicEventKeeper
from .lane import Lane
from .running import Call, HandlerRunner
from .sending import Sender
from .settings import EventsSettings
from .stats import EventStats

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Told:
    envelope: Envelope
    event: Event


class EventBus:
    """What features publish with; `request.state.event_bus`."""

    def __init__(
        self,
        extensions: Extensions,
        settings: EventsSettings,
        runner: HandlerRunner,
        sender: Sender,
        *,
        source: str,
    ) -> None:
        self.stats: EventStats = runner.stats
        self._runner = runner
        self._settings = settings
        self._sender = sender
        self._source = source
        self._operations = Operations(extensions)
        self._keepers = extensions.of(PublicEventKeeper)
        self._outage = OutageGuard("public events")
        self._public = Lane(self._send_or_lose, length=settings.queue_length)
        self._lanes: dict[type[Event], list[Lane[_Told]]] = defaultdict(list)
        for handler in extensions.of(EventHandler):
            run = partial(self._run, handler)
            self._lanes[handler.event].append(Lane(run, length=settings.queue_length))

    async def publish(self, session: AsyncSession, event: Event) -> Envelope:
        """Tell it when the transaction is committed, and not if it is undone.

        The request waits for nobody, and nothing that goes wrong later is its problem.
        """
        envelope = Envelope.of(event, source=self._source, carried=self._operations.carried())
        told = _Told(envelope, event)
        for lane in self._lanes.get(type(event), ()):
            after_commit(session, partial(self._hand, lane, told))
        if event.is_public:
            if self._keepers:
                await self._keepers[0].keep(session, envelope)
            else:
                after_commit(session, partial(self._hand, self._public, told))
        return envelope

    async def send(self, envelope: Envelope) -> None:
        """Tell other services now. Raises `redis.RedisError`; it may have been sent even so."""
        await self._sender.send(envelope)
        self.stats.sent[envelope.type] += 1

    async def idle(self) -> None:
        """Wait until everything that was published is handled and sent."""
        while running := [lane.task for lane in self._all_lanes() if lane.task is not None]:
            await asyncio.wait(running)

    async def aclose(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_seconds):
                await self.idle()
        for lane in self._all_lanes():
            for told in await lane.cancel():
                self._lose(told, "the process stops")

    def _all_lanes(self) -> Sequence[Lane[_Told]]:
        return [self._public, *(lane for lanes in self._lanes.values() for lane in lanes)]

    async def _hand(self, lane: Lane[_Told], told: _Told) -> None:
        if self._settings.inline:
            await lane.work(told)
        elif not lane.put(told):
            self._lose(told, "too many are waiting")

    async def _run(self, handler: EventHandler[Any], told: _Told) -> None:
        await self._runner.run(Call(handler.name, handler.function, told.event, told.envelope))

    async def _send_or_lose(self, told: _Told) -> None:
        async def send() -> bool:
            await self.send(told.envelope)
            return True

        try:
            is_sent = await self._outage.run(send, default=False)
        except Exception:
            logger.exception("event not sent")
            is_sent = False
        if not is_sent:
            self.stats.lost[told.envelope.type] += 1

    def _lose(self, told: _Told, reason: str) -> None:
        name, event_id = told.envelope.type, told.envelope.id
        self.stats.lost[name] += 1
        logger.error("event lost", event_name=name, event_id=event_id, reason=reason)


def event_bus_of(state: State) -> EventBus:
    """What the feature's lifespan opened."""
    return cast("EventBus", state["event_bus"])


async def get_event_bus(connection: HTTPConnection) -> EventBus:
    return cast("EventBus", connection.state.event_bus)


EventBusDep = Annotated[EventBus, Depends(get_event_bus)]
