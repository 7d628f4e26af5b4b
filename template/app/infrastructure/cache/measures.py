from collections.abc import Iterable

from app.core.feature import State
from app.core.measures import Measured, Reading

from .dependencies import cache_of


class CacheMeasures(Measured):
    def readings(self, state: State) -> Iterable[Reading]:
        stats = cache_of(state).stats
        yield from Reading.totals(
            "cache_hits", "Values that came from the cache.", "entry", stats.hits
        )
        yield from Reading.totals(
            "cache_misses", "Values that had to be computed.", "entry", stats.misses
        )
