from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time

from .limits import RateLimit
from .windows import Window


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a request, and how its limits stand after it."""

    is_allowed: bool
    now: int
    windows: Sequence[Window]


class LimitStore(ABC):
    @abstractmethod
    async def take(self, limits: Sequence[tuple[str, RateLimit]]) -> Taken | None:
        """Count a request under the keys of all its limits if it fits into each, else under none.

        Nothing comes in between. None: the store is out of reach.
        """


class MemoryStore(LimitStore):
    """Counts for one process. What was not used for longest is forgotten first.

    10000 keys are some 4 MB: enough for development and tests.
    """

    def __init__(self, clock: Callable[[], float] = time, *, most: int = 10_000) -> None:
        self._clock = clock
        self._most = most
        self._windows: dict[str, Window] = {}

    async def take(self, limits: Sequence[tuple[str, RateLimit]]) -> Taken:
        now = int(self._clock() * 1000)
        found = [self._windows.get(key, Window(now)).at(now, limit) for key, limit in limits]
        pairs = list(zip(found, limits, strict=True))
        if any(window.used(now, limit) >= limit.amount for window, (_, limit) in pairs):
            return Taken(is_allowed=False, now=now, windows=found)
        after = [window.taken() for window in found]
        for (key, _), window in zip(limits, after, strict=True):
            # Taken out first, so that the oldest is the first.
            self._windows.pop(key, None)
            self._windows[key] = window
            if len(self._windows) > self._most:
                del self._windows[next(iter(self._windows))]
        return Taken(is_allowed=True, now=now, windows=after)

    def keys(self) -> list[str]:
        return list(self._windows)
