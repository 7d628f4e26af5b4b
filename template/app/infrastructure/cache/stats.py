from collections import Counter
from dataclasses import dataclass, field

from app.infrastructure.redis.outage import OutageGuard


@dataclass(slots=True)
class CacheStats:
    """What this process has seen since its start; hits and misses by kind of entry."""

    guard: OutageGuard
    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    """Computed: it was not there, was outdated, did not fit, or the cache was out of reach."""

    @property
    def errors(self) -> int:
        """Commands that the server did not answer, or refused.

        None is sent while it is known to be gone.
        """
        return self.guard.failures
