"""Running one handler: in a transaction, for a limited time, with its event in the logs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import State
from app.core.operations import Operation, Operations
from app.infrastructure.database.database import Database
from app.infrastructure.timing.limit import time_limit

from .event import Envelope
from .handlers import EventContext
from .settings import EventsSettings
from .stats import EventStats

logger = structlog.get_logger()


class HandlerTimeoutError(Exception):
    """The handler took longer than it may, and was cancelled."""


class DoneBeforeError(Exception):
    """Another process has just done the same, and this transaction must not be committed."""


@dataclass(frozen=True, slots=True)
class Call:
    handler: str
    function: Callable[[EventContext, Any], Awaitable[None]]
    told: object
    envelope: Envelope
    attempt: int = 1


class HandlerRunner:
    def __init__(self, state: State, settings: EventsSettings, stats: EventStats) -> None:
        self.stats = stats
        self._state = state
        self._operations = Operations(state["extensions"])
        self._timeout_seconds = settings.handler_timeout_seconds

    async def run(
        self, call: Call, finish: Callable[[AsyncSession], Awaitable[None]] | None = None
    ) -> Exception | None:
        """What went wrong, after a line in the log; `finish` is part of the transaction."""
        with structlog.contextvars.bound_contextvars(
            request_id=call.envelope.requestid,
            event_id=call.envelope.id,
            event_name=call.envelope.type,
            handler=call.handler,
        ):
            operation = Operation(
                f"event {call.envelope.type}",
                {"messaging.operation.type": "process", "messaging.message.id": call.envelope.id},
            )
            try:
                with self._operations.resumed(operation, call.envelope.carried):
                    await self._commit(call, finish)
            except DoneBeforeError:
                return None
            except Exception as exc:
                self.stats.failed[call.handler] += 1
                logger.exception("event handler failed", attempt=call.attempt)
                return exc
        self.stats.handled[call.handler] += 1
        return None

    async def _commit(
        self, call: Call, finish: Callable[[AsyncSession], Awaitable[None]] | None
    ) -> None:
        database: Database = self._state["database"]
        async with database.transaction() as session:
            context = EventContext(call.envelope, session, self._state, call.attempt)
            async with time_limit(self._timeout_seconds, HandlerTimeoutError):
                await call.function(context, call.told)
            if finish is not None:
                await finish(session)
