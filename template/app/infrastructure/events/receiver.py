"""What a service does with a public event, wherever it came from."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.feature import State
from app.infrastructure.database.database import Database

from .event import Envelope
from .handlers import PublicEventHandler
from .receipts import is_done, note
from .running import Call, DoneBeforeError, HandlerRunner

Renew = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failure:
    code: str
    error: str
    """The class: the text of an exception may hold anything."""
    handler: str = ""
    is_final: bool = True
    """It will not go better the next time."""


class Receiver:
    def __init__(self, state: State, runner: HandlerRunner) -> None:
        self._database: Database = state["database"]
        self._runner = runner
        self._handlers: dict[str, list[PublicEventHandler[Any]]] = defaultdict(list)
        for handler in state["extensions"].of(PublicEventHandler):
            self._handlers[handler.event_name].append(handler)

    async def receive(self, body: bytes, attempt: int, renew: Renew) -> Sequence[Failure]:
        """Run the handlers that have not done it yet, one after another; what went wrong.

        `renew` is called between two of them. Raises `UnavailableError` while the database cannot
        say what is done.
        """
        try:
            envelope = Envelope.model_validate_json(body)
        except ValidationError:
            return [Failure("event.malformed", "ValidationError")]
        interested = self._handlers.get(envelope.type, [])
        able = [handler for handler in interested if handler.version == envelope.dataversion]
        if interested and not able:
            return [Failure("event.unknown_version", "LookupError")]
        failures = []
        for number, handler in enumerate(able):
            if number:
                await renew()
            failure = await self._run(handler, envelope, attempt)
            if failure is not None:
                failures.append(failure)
        return failures

    async def _run(
        self, handler: PublicEventHandler[Any], envelope: Envelope, attempt: int
    ) -> Failure | None:
        async with self._database.reading() as session:
            if await is_done(session, handler.name, envelope):
                return None
        try:
            data = handler.data.model_validate(envelope.data)
        except ValidationError:
            return Failure("event.invalid", "ValidationError", handler.name)

        async def finish(session: AsyncSession) -> None:
            if not await note(session, handler.name, envelope):
                raise DoneBeforeError

        call = Call(handler.name, handler.function, data, envelope, attempt)
        error = await self._runner.run(call, finish)
        if error is None:
            return None
        return Failure("event.failed", type(error).__name__, handler.name, is_final=False)
