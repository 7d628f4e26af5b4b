"""Features that see the log lines of the process as they are written."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from structlog.typing import EventDict, WrappedLogger

Watcher = Callable[[EventDict], None]

# As global as the loggers themselves.
_watchers: list[Watcher] = []


@contextmanager
def watching(watcher: Watcher) -> Generator[None]:
    """Show it every line, which it may also add to; it must not raise."""
    _watchers.append(watcher)
    try:
        yield
    finally:
        _watchers.remove(watcher)


def show(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """A structlog processor, for where exceptions are not text yet."""
    for watcher in _watchers:
        watcher(event)
    return event
