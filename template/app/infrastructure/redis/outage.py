from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import structlog
from redis import RedisError

logger = structlog.get_logger()
Result = TypeVar("Result")

# Long enough that a server which swallows packets costs few requests its timeout, short enough
# that nobody notices when it is back.
RETRY_SECONDS = 2.0


class OutageGuard:
    """For a use of Redis that the service can do without.

    While the server is out of reach, one command in `RETRY_SECONDS` tries it and all others take
    their default at once. The log says when it begins and when it is over, once each.
    """

    def __init__(self, purpose: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._purpose = purpose
        self._clock = clock
        self._down_since: float | None = None
        self._next_try = 0.0

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
        """What `command` answers; `default` if the server does not.

        An urgent one tries in any case, and waits for the timeout where it must.
        """
        now = self._clock()
        if self._down_since is not None and not is_urgent:
            if now < self._next_try:
                return default
            self._next_try = now + RETRY_SECONDS
        try:
            result = await command()
        except RedisError as exc:
            self._begin(exc)
            return default
        self._end()
        return result

    def _begin(self, exc: RedisError) -> None:
        now = self._clock()
        self._next_try = now + RETRY_SECONDS
        if self._down_since is None:
            self._down_since = now
            logger.warning("redis is out of reach", purpose=self._purpose, error=type(exc).__name__)

    def _end(self) -> None:
        if self._down_since is not None:
            seconds = round(self._clock() - self._down_since, 1)
            self._down_since = None
            logger.info("redis is back", purpose=self._purpose, seconds=seconds)
