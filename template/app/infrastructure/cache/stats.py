from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class CacheStats:
    """What this process has seen since its start, for metrics; hits and misses by kind of entry."""

    hits: Counter[str] = field(default_factory=Counter)
    misses: Counter[str] = field(default_factory=Counter)
    """Computed: it was not there, was outdated, did not fit, or the cache was out of reach."""
    errors: int = 0
    """Commands that the server did not answer, or refused. None is sent while it is known to be
    gone."""
