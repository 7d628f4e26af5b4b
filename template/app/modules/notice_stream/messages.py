import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.backoff import EqualJitterBackoff

from app.infrastructure.redis.outage import OutageGuard

logger = structlog.get_logger()

# At once after a restart of the server, and not all processes in the same moment; at 5 seconds an
# attempt costs nothing.
_BACKOFF = EqualJitterBackoff(cap=5, base=0.1)
# A connection that a firewall has forgotten is silent. After so long it is asked, and has as long
# to answer.
_SILENCE_SECONDS = 15.0

Hear = Callable[[str], None]


class Messages:
    """What is said on one channel, heard on one connection for the whole process."""

    def __init__(
        self,
        redis: Redis,
        channel: str,
        outage: OutageGuard,
        *,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> None:
        self._redis = redis
        self._channel = channel
        self._outage = outage
        self._silence_seconds = silence_seconds
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def listen(self, hear: Hear, on_contact: Callable[[], Awaitable[None]]) -> None:
        """Returns when it hears, or knows that it cannot yet. Later calls are free.

        `on_contact` is called whenever the server is there again, then `""` is heard: nobody knows
        what was missed.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(hear, on_contact))
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
                subscribe = partial(self._subscribe, pubsub, on_contact)
                if await self._outage.run(subscribe, default=False, is_urgent=True):
                    failures = 0
                    # If it lasts, the next attempt logs it.
                    with suppress(RedisError):
                        await self._receive(pubsub, hear)
                else:
                    failures += 1
                self._tried.set()
            await asyncio.sleep(_BACKOFF.compute(failures))

    async def _subscribe(self, pubsub: PubSub, on_contact: Callable[[], Awaitable[None]]) -> bool:
        await pubsub.subscribe(self._channel)
        await on_contact()
        return True

    async def _receive(self, pubsub: PubSub, hear: Hear) -> None:
        is_silent = False
        while True:
            message: dict[str, Any] | None
            message = await pubsub.get_message(timeout=self._silence_seconds)
            if message is not None:
                is_silent = False
                self._handle(message, hear)
            elif is_silent:
                raise RedisTimeoutError
            else:
                is_silent = True
                await pubsub.ping()

    def _handle(self, message: dict[str, Any], hear: Hear) -> None:
        if message["type"] == "subscribe":
            hear("")
            self._tried.set()
        elif message["type"] == "message":
            try:
                hear(message["data"].decode())
            except ValueError:
                # Another release may say it otherwise.
                logger.exception("a message of another process was not understood")
