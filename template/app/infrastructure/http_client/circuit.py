import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import structlog
from purgatory import AsyncCircuitBreakerFactory, ContextChanged, Event
from purgatory.domain.model import CLOSED, HALF_OPENED, OPENED, OpenedState

from .errors import UpstreamError, UpstreamUnavailableError
from .settings import HttpClientSettings

logger = structlog.get_logger()


@dataclass(slots=True)
class UpstreamCounters:
    """Since the process started."""

    requests: int = 0
    """Calls, whatever became of them."""
    retries: int = 0
    failures: int = 0
    """Calls that ended with an `UpstreamError`, those that were not sent included."""
    openings: int = 0
    """Times that the circuit opened."""
    is_open: bool = False
    """Whether nothing is sent at the moment, but for one request that tries."""


class Circuit:
    """Spares one upstream the requests while it is down, and ours the waiting.

    After some failures in a row nothing is sent for a while. Then one request tries, alone, and
    decides. A request that is cancelled counts as failed: whoever asked would not wait for longer.
    """

    def __init__(self, name: str, settings: HttpClientSettings, counters: UpstreamCounters) -> None:
        self._name = name
        self._counters = counters
        self._open_seconds = settings.circuit_open_seconds
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=settings.circuit_failures,
            default_ttl=settings.circuit_open_seconds,
            exclude=[(UpstreamError, self._is_harmless)],
        )
        self._breakers.add_listener(self._note)

    @asynccontextmanager
    async def attempt(self) -> AsyncGenerator[None]:
        """Raises `UpstreamUnavailableError` instead of running the block while it is open."""
        breaker = await self._breakers.get_breaker(self._name)
        # The library lets everybody through while the one that tries is under way.
        if breaker.context.state == HALF_OPENED:
            raise UpstreamUnavailableError(retry_after_seconds=1)
        try:
            async with breaker:
                yield
        except OpenedState as opened:
            # The library raises one object again and again, which gathers all their tracebacks.
            opened.with_traceback(None)
            raise self._closed_until(opened.opened_at + self._open_seconds) from None

    def _is_harmless(self, error: UpstreamError) -> bool:
        if self._counters.is_open and error.status is None:
            # The request that tries has learnt nothing, and the library would call that a success.
            return False
        return not error.is_outage

    def _closed_until(self, end: float) -> UpstreamUnavailableError:
        seconds = math.ceil(end - time.time())
        return UpstreamUnavailableError(retry_after_seconds=max(1, seconds))

    def _note(self, _: str, kind: str, event: Event) -> None:
        if kind != "state_changed":
            return
        state = cast("ContextChanged", event).state
        self._counters.is_open = state != CLOSED
        if state == OPENED:
            self._counters.openings += 1
            logger.warning("circuit opened", upstream=self._name, seconds=self._open_seconds)
        elif state == CLOSED:
            logger.info("circuit closed", upstream=self._name)
