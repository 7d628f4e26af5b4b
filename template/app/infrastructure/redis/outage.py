import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog

from app.core.measures import Counter

logger = structlog.get_logger()
Result = TypeVar("Result")

# Long enough that a server which swallows packets costs few requests its timeout, short enough
# that nobody notices when it is back.
RETRY_SECONDS = 2.0


FAILURES = Counter(
    "redis_failures", "Commands that were not answered in time, or refused.", "purpose"
)


class OutOfReachError(Exception):
    """Redis did not do it; whoever asks does without."""


class OutageGuard:
    """For a use of Redis that the service can do without.

    While the server is out of reach, one command in `retry_seconds` tries it and all others fail
    at once. The log says when it begins and when it is over, once each.
    """

    def __init__(
        self,
        purpose: str,
        *,
        timeout_seconds: float | None = None,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`timeout_seconds` is for a command as a whole, its connecting and its retries.

        None: the client's own, which it has for each step.
        """
        self.failures = 0
        """Commands that were not answered, or refused."""
        self._purpose = purpose
        self._timeout_seconds = timeout_seconds
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._down_since: float | None = None
        self._next_try = 0.0
        self._silent_until = 0.0

    @property
    def is_down(self) -> bool:
        return self._down_since is not None

    async def run(
        self,
        command: Callable[[], Awaitable[Result]],
        default: Result,
        *,
        is_urgent: bool = False,
    ) -> Result:
        """What `command` answers; `default` if the server does not."""
        try:
            return await self.attempt(command, is_urgent=is_urgent)
        except OutOfReachError:
            return default

    async def attempt(
        self, command: Callable[[], Awaitable[Result]], *, is_urgent: bool = False
    ) -> Result:
        """What `command` answers; raises `OutOfReachError`.

        An urgent one tries in any case, and waits for the timeout where it must.
        """
        if self._down_since is not None and not is_urgent:
            now = self._clock()
            if now < self._next_try:
                raise OutOfReachError
            # The others go on without until this one is answered.
            self._next_try = now + self._retry_seconds
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await command()
        except Exception as exc:
            from redis import RedisError, ResponseError  # noqa: PLC0415 (`command` has imported it)

            if isinstance(exc, ResponseError):
                self._refused(exc)
            elif isinstance(exc, (RedisError, OSError)):
                self._lost(exc)
            else:
                raise
            raise OutOfReachError from exc
        if self._down_since is not None:
            self._back(self._down_since)
        return result

    def _refused(self, exc: Exception) -> None:
        """It answers, but is full or read-only: it can still be asked for what it has."""
        self._count_failure()
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + self._retry_seconds
            logger.warning("redis refuses", purpose=self._purpose, error=type(exc).__name__)

    def _lost(self, exc: Exception) -> None:
        self._count_failure()
        now = self._clock()
        self._next_try = now + self._retry_seconds
        if self._down_since is None:
            self._down_since = now
            logger.warning("redis is out of reach", purpose=self._purpose, error=type(exc).__name__)

    def _count_failure(self) -> None:
        self.failures += 1
        FAILURES.add(self._purpose)

    def _back(self, since: float) -> None:
        self._down_since = None
        seconds = round(self._clock() - since, 1)
        logger.info("redis is back", purpose=self._purpose, seconds=seconds)
