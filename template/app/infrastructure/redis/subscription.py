import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Any

import structlog
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.backoff import EqualJitterBackoff

from .outage import OutageGuard

logger = structlog.get_logger()

# At once after a restart of the server, and not all processes in the same moment; at 5 seconds an
# attempt costs nothing.
_BACKOFF = EqualJitterBackoff(cap=5, base=0.1)
# A connection that a firewall has forgotten is silent. After so long it is asked, and has as long
# to answer.
_SILENCE_SECONDS = 15.0

Hear = Callable[[str, bytes], None]
"""Called with the channel and what was said on it."""


class Subscription:
    """What others publish on some channels, heard on one connection for the whole process.

    What is published while the server cannot be reached is never heard.
    """

    def __init__(
        self,
        redis: Redis,
        channels: Sequence[str],
        outage: OutageGuard,
        *,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        self._redis = redis
        self._channels = channels
        self._outage = outage
        self._silence_seconds = silence_seconds
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def listen(self, hear: Hear, on_contact: Callable[[], Awaitable[None]]) -> None:
        """Returns when it hears, or knows that it cannot yet. Later calls are free.

        `on_contact` is called at the beginning, and whenever the connection was lost: nobody knows
        then what was missed.
        """
        if self._task is None:
            # Not in the context of this request: it is for all.
            self._task = asyncio.create_task(self._run(hear, on_contact), context=Context())
        await self._tried.wait()

    async def aclose(self) -> None:
        # More than once: redis-py was seen to swallow one that came in the middle of a read.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=0.1)

    async def _run(self, hear: Hear, on_contact: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            async with self._redis.pubsub() as pubsub:
                subscribe = partial(self._subscribe, pubsub)
                if await self._outage.run(subscribe, default=False, is_urgent=True):
                    failures = 0
                    # If it lasts, the next attempt logs it.
                    with suppress(RedisError):
                        await self._receive(pubsub, hear, on_contact)
                else:
                    failures += 1
                self._tried.set()
            await asyncio.sleep(_BACKOFF.compute(failures))

    async def _subscribe(self, pubsub: PubSub) -> bool:
        await pubsub.subscribe(*self._channels)
        return True

    async def _receive(
        self, pubsub: PubSub, hear: Hear, on_contact: Callable[[], Awaitable[None]]
    ) -> None:
        is_silent = False
        while True:
            message: dict[str, Any] | None
            message = await pubsub.get_message(timeout=self._silence_seconds)
            if message is None:
                if is_silent:
                    raise RedisTimeoutError
                is_silent = True
                await pubsub.ping()
                continue
            is_silent = False
            if message["type"] == "message":
                self._handle(message, hear)
            # It comes for each channel, with how many these are by then.
            elif message["type"] == "subscribe" and message["data"] == len(self._channels):
                await on_contact()
                self._tried.set()

    def _handle(self, message: dict[str, Any], hear: Hear) -> None:
        try:
            hear(message["channel"].decode(), message["data"])
        except Exception:
            # Another release may say it otherwise.
            logger.exception("a message of another process was not understood")
