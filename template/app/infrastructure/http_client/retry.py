import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .settings import HttpClientSettings


class RetryBudget:
    """Bounds the retries to a share of the requests, so that an outage does not multiply them.

    Each request adds `ratio` of a retry, up to `reserve`; each retry takes a whole one. It starts
    full.
    """

    def __init__(self, *, ratio: float, reserve: int) -> None:
        self._ratio = ratio
        self._most = max(float(reserve), ratio)
        self._left = float(reserve)

    def earn(self) -> None:
        self._left = min(self._most, self._left + self._ratio)

    def spend(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Backoff:
    """Exponential, with full jitter."""

    def __init__(
        self,
        settings: HttpClientSettings,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = settings.backoff_seconds
        self._longest = settings.max_backoff_seconds
        self._uniform = uniform

    def seconds(self, attempt: int, asked: float) -> float | None:
        """How long to wait after `attempt`, the first being 1; at least as long as was `asked`.

        None: not that long.
        """
        if asked > self._longest:
            return None
        return asked + self._uniform(0, min(self._longest, self._first * 2 ** (attempt - 1)))


def retry_after_seconds(value: str | None) -> int:
    """What a `Retry-After` header asks for, a number or a date; 0 if it makes no sense."""
    if value is None:
        return 0
    if value.isdecimal() and len(value) < 10:  # noqa: PLR2004 (nine digits are thirty years)
        return int(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return 0
    if date.tzinfo is None:
        return 0
    return max(0, round((date - datetime.now(UTC)).total_seconds()))
