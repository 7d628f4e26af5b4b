"""What happens when the server is slow, refuses, or is gone."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis import ResponseError
from redis.exceptions import RedisError

from .stats import CacheStats

logger = structlog.get_logger()

Result = TypeVar("Result")


class OutOfReachError(Exception):
    """The cache did not do it; whoever asks does without."""


class Reach:
    """Lets commands through to a server that answers, and none to one that does not.

    A command waits for `timeout_seconds` at most. After one that failed nothing is sent for
    `pause_seconds`; then a single one tries. An outage is one line in the log, and its end another.
    """

    def __init__(self, stats: CacheStats, *, timeout_seconds: float, pause_seconds: float) -> None:
        self._stats = stats
        self._timeout_seconds = timeout_seconds
        self._pause_seconds = pause_seconds
        self._gone_since: float | None = None
        self._retry_at = 0.0
        self._silent_until = 0.0

    async def run(self, command: Callable[[], Awaitable[Result]]) -> Result:
        """Raises `OutOfReachError`."""
        if self._gone_since is not None:
            if time.monotonic() < self._retry_at:
                raise OutOfReachError
            # The others go on without until this one is answered.
            self._retry_at = time.monotonic() + self._pause_seconds
        try:
            async with asyncio.timeout(self._timeout_seconds):
                result = await command()
        except ResponseError as exc:
            self._refused(exc)
            raise OutOfReachError from exc
        except (RedisError, OSError) as exc:
            self._lost(exc)
            raise OutOfReachError from exc
        if self._gone_since is not None:
            logger.info("cache is back", seconds=round(time.monotonic() - self._gone_since, 1))
            self._gone_since = None
        return result

    def _refused(self, exc: Exception) -> None:
        """It answers: it is full, or read-only. What it has can still be read."""
        self._stats.errors += 1
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + self._pause_seconds
            logger.warning("cache refuses a command", error=type(exc).__name__)

    def _lost(self, exc: Exception) -> None:
        self._stats.errors += 1
        now = time.monotonic()
        self._retry_at = now + self._pause_seconds
        if self._gone_since is None:
            self._gone_since = now
            logger.warning("cache is out of reach", error=type(exc).__name__)
