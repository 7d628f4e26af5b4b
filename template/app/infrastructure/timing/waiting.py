"""Waiting for something, or before another attempt."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from random import uniform

# Beyond this any wait is the longest, and the power of two no float any more, in the end.
_MOST_DOUBLINGS = 30


async def happens_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait until it happens, though no longer than this; whether it has."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def when_told_to_stop(stop: Callable[[], None]) -> None:
    """Call it on SIGTERM, which is how platforms end a process, and on Ctrl-C."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def backoff_seconds(failures: int, *, first: float, longest: float) -> float:
    """Twice as long after each further failure, less up to a half at random.

    Without chance, all that failed together would come back together.
    """
    wait = min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
    return wait * uniform(0.5, 1)  # noqa: S311 (not a secret)
