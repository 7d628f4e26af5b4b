"""Reading one stream until told to stop, whatever goes wrong meanwhile."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from time import monotonic

import structlog
from redis import RedisError, ResponseError
from redis.backoff import EqualJitterBackoff

from app.core.errors import UnavailableError
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.timing.waiting import happens_within

from .dead_letters import DeadLetters
from .entry import Entry
from .receiver import Failure, Receiver
from .settings import EventsSettings
from .stats import EventStats
from .stream import Claims, Subscription

logger = structlog.get_logger()

# At once after a restart of the server; at 5 seconds an attempt costs nothing.
_BACKOFF = EqualJitterBackoff(cap=5, base=0.1)
# The server measures time in steps of its own.
_CLOCKS_MS = 100
_CRASHED = Failure("event.crashed", "Crash")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the readers of a consumer share."""

    receiver: Receiver
    letters: DeadLetters
    settings: EventsSettings
    stats: EventStats
    outage: OutageGuard
    stop: asyncio.Event
    block_seconds: float
    """How long a read waits for an entry, and so the longest wait for a stop."""


@dataclass(slots=True)
class Reader:
    """Handles one entry after another, in the order of the stream.

    What fails is tried again later, while those after it go on. The group of the stream knows what
    is begun and how often, so whoever takes over goes on where this one died.
    """

    subscription: Subscription
    desk: Desk
    _retries: list[tuple[float, float, str]] = field(default_factory=list)
    """When they are due, when they failed, and their ids; the next one first."""
    _has_joined: bool = False
    _next_claims: float = 0

    async def run(self) -> None:
        failures = 0
        while not self.desk.stop.is_set():
            if await self.desk.outage.run(self._turn, default=False, is_urgent=True):
                failures = 0
                continue
            failures += 1
            await happens_within(self.desk.stop, _BACKOFF.compute(failures))
        with suppress(RedisError):
            await self.subscription.leave()

    async def _turn(self) -> bool:
        try:
            if not self._has_joined:
                await self.subscription.join()
                self._has_joined = True
            await self._take_over()
            await self._retry()
            entry = await self.subscription.read(self._block_ms())
            if entry is not None:
                await self._handle(entry)
        except ResponseError as exc:
            if not str(exc).startswith("NOGROUP"):
                raise
            # A server that has forgotten the stream knows no group either.
            self._has_joined = False
        return True

    def _block_ms(self) -> int:
        seconds = self.desk.block_seconds
        if self._retries:
            seconds = min(seconds, self._retries[0][0] - monotonic())
        # Zero would wait for ever.
        return max(int(seconds * 1000), 1)

    async def _take_over(self) -> None:
        idle_seconds = self.desk.settings.claim_seconds
        if monotonic() < self._next_claims:
            return
        claims = Claims()
        while not (claims.is_over or self.desk.stop.is_set()):
            entry = await self.subscription.take_over(claims, int(idle_seconds * 1000))
            if entry is not None:
                await self._handle(entry)
        if claims.trimmed:
            stream = self.subscription.stream
            logger.error("events trimmed before they were handled", stream=stream, n=claims.trimmed)
        self._next_claims = monotonic() + idle_seconds / 2

    async def _retry(self) -> None:
        while self._is_one_due() and not self.desk.stop.is_set():
            _, failed_at, entry_id = heappop(self._retries)
            # Unless it has lain for all this time, somebody has taken it over meanwhile.
            idle_ms = int((monotonic() - failed_at) * 1000) - _CLOCKS_MS
            entry = await self.subscription.retry(entry_id, max(idle_ms, 0))
            if entry is not None:
                await self._handle(entry)

    def _is_one_due(self) -> bool:
        return bool(self._retries) and self._retries[0][0] <= monotonic()

    async def _handle(self, entry: Entry) -> None:
        settings = self.desk.settings
        if entry.attempt > settings.max_deliveries:
            # Each of them has killed its process.
            await self._bury(entry, [_CRASHED])
            return
        failures = await self._received(entry)
        if failures is None:
            return
        if not failures:
            await self.subscription.end(entry)
        elif entry.attempt == settings.max_deliveries or all(it.is_final for it in failures):
            await self._bury(entry, failures)
        else:
            wait_seconds = settings.wait_seconds(entry.attempt)
            failed_at = monotonic()
            heappush(self._retries, (failed_at + wait_seconds, failed_at, entry.id))

    async def _received(self, entry: Entry) -> list[Failure] | None:
        """None if it must stop before the database can be reached."""

        async def renew() -> None:
            await self.subscription.renew(entry.id)

        tries = 0
        while True:
            try:
                return list(await self.desk.receiver.receive(entry.body, entry.attempt, renew))
            except UnavailableError as exc:
                # Else an outage would make dead letters of a whole stream.
                log = logger.debug if tries else logger.warning
                log("events wait", stream=self.subscription.stream, code=exc.code)
            tries += 1
            await happens_within(self.desk.stop, _BACKOFF.compute(tries))
            await renew()
            if self.desk.stop.is_set():
                return None

    async def _bury(self, entry: Entry, failures: list[Failure]) -> None:
        stream = self.subscription.stream
        await self.subscription.bury(entry, failures, self.desk.letters)
        self.desk.stats.dead[stream] += 1
        logger.error(
            "event given up",
            stream=stream,
            entry=entry.id,
            attempts=entry.attempt,
            failures=[f"{it.code} {it.error} {it.handler}".strip() for it in failures],
        )
