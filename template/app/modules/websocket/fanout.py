"""What is said in one process, heard in the others: through Redis, if there is one."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import structlog
from redis import RedisError
from redis import TimeoutError as RedisTimeoutError
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.backoff import EqualJitterBackoff

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard

logger = structlog.get_logger()

# At once after a restart of the server, and not all processes in the same moment; at 5 seconds an
# attempt costs nothing.
_BACKOFF = EqualJitterBackoff(cap=5, base=0.1)
# A connection that a firewall has forgotten is silent. After so long it is asked, and has as long
# to answer.
SILENCE_SECONDS = 15.0

Deliver = Callable[[str, str], None]
Review = Callable[[UUID | None], None]


class Fanout:
    """At most once: what is published while a process cannot reach the server, it never hears.

    One channel carries the messages of all rooms, and each process drops those of rooms that nobody
    is in there: so joining one takes no round trip, and misses nothing.
    """

    def __init__(self, clients: RedisClients, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self._redis: Redis | None = clients.of()
        self._messages = clients.key("websocket", "messages")
        self._reviews = clients.key("websocket", "reviews")
        self._silence_seconds = silence_seconds
        # Ours come back too; they were delivered before.
        self._process = uuid4().hex.encode()
        self._outage = OutageGuard("websocket rooms")
        self._task: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()

    async def listen(self, deliver: Deliver, review: Review) -> None:
        """Returns when it hears the others, or knows that it cannot yet. Later calls are free."""
        if self._redis is None:
            return
        if self._task is None:
            self._task = asyncio.create_task(self._run(self._redis, deliver, review))
        await self._tried.wait()

    async def publish(self, room: str, text: str) -> None:
        await self._send(self._messages, f"{room}\n{text}")

    async def publish_review(self, user_id: UUID | None) -> None:
        await self._send(self._reviews, "" if user_id is None else user_id.hex)

    async def aclose(self) -> None:
        # More than once: redis-py was seen to swallow one that came in the middle of a read.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=0.1)

    async def _send(self, channel: str, text: str) -> None:
        if self._redis is not None:
            data = b"\n".join((self._process, text.encode()))
            publish = partial(self._redis.publish, channel, data)
            await self._outage.run(cast("Any", publish), None)

    async def _run(self, redis: Redis, deliver: Deliver, review: Review) -> None:
        failures = 0
        while True:
            async with redis.pubsub() as pubsub:
                subscribe = partial(self._subscribe, pubsub)
                if await self._outage.run(subscribe, default=False, is_urgent=True):
                    failures = 0
                    # If it lasts, the next attempt logs it.
                    with suppress(RedisError):
                        await self._receive(pubsub, deliver, review)
                else:
                    failures += 1
                self._tried.set()
            await asyncio.sleep(_BACKOFF.compute(failures))

    async def _subscribe(self, pubsub: PubSub) -> bool:
        await pubsub.subscribe(self._messages, self._reviews)
        return True

    async def _receive(self, pubsub: PubSub, deliver: Deliver, review: Review) -> None:
        is_silent = False
        while True:
            message = await pubsub.get_message(timeout=self._silence_seconds)
            if message is not None:
                is_silent = False
                try:
                    self._handle(message, deliver, review)
                except Exception:
                    # Another release may say it otherwise.
                    logger.exception("a message of another process was not understood")
            elif is_silent:
                raise RedisTimeoutError
            else:
                is_silent = True
                await pubsub.ping()

    def _handle(self, message: dict[str, Any], deliver: Deliver, review: Review) -> None:
        if message["type"] == "subscribe":
            # Also after the connection was lost: who knows what was missed.
            review(None)
            self._tried.set()
        elif message["type"] == "message":
            process, _, data = message["data"].partition(b"\n")
            if process == self._process:
                return
            if message["channel"] == self._messages.encode():
                room, _, text = data.decode().partition("\n")
                deliver(room, text)
            else:
                review(UUID(data.decode()) if data else None)
