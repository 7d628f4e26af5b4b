"""The arithmetic of a sliding window that two counters stand for.

The window before the current one counts in proportion to how much of it the sliding window still
covers: of 60 requests in the last minute, 45 count after a quarter of this one. It needs three
numbers however high the limit, and nobody gets twice the limit at the turn of a window, as with
one counter. Times are in milliseconds.
"""

from dataclasses import dataclass

from .limits import RateLimit


@dataclass(frozen=True, slots=True)
class Window:
    """What was let through since `started`, and in the window before that."""

    started: int
    previous: int = 0
    current: int = 0

    def at(self, now: int, limit: RateLimit) -> "Window":
        """The window that `now` falls into. It begins with a request, not with a full minute."""
        width = limit.milliseconds
        passed = max(0, now - self.started) // width
        if passed == 0:
            return self
        if passed == 1:
            return Window(self.started + width, self.current)
        return Window(now)

    def taken(self) -> "Window":
        return Window(self.started, self.previous, self.current + 1)

    def used(self, now: int, limit: RateLimit) -> int:
        """How many requests count."""
        return self.previous * self.left(now, limit) // limit.milliseconds + self.current

    def left(self, now: int, limit: RateLimit) -> int:
        """Until the window ends."""
        return limit.milliseconds - max(0, now - self.started)

    def wait(self, now: int, limit: RateLimit) -> int:
        """Until a request fits, if there are no others meanwhile."""
        if self.used(now, limit) < limit.amount:
            return 0
        width, left = limit.milliseconds, self.left(now, limit)
        if self.current >= limit.amount:
            # In the next window, as soon as enough of this one is out of sight.
            return left + width * (self.current - limit.amount) // self.current + 1
        excess = self.previous - (limit.amount - self.current)
        return width * excess // self.previous + 1 - (width - left)
