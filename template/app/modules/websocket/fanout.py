"""What is said in one process, heard in the others: through Redis, if there is one."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from uuid import UUID, uuid4

import structlog
from redis.asyncio import Redis

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.redis.subscription import Subscription

logger = structlog.get_logger()

Deliver = Callable[[str, str], None]
Review = Callable[[UUID | None], None]


class Fanout:
    """At most once: what is published while a process cannot reach the server, it never hears.

    One channel carries the messages of all rooms, and each process drops those of rooms that nobody
    is in there: so joining one takes no round trip, and misses nothing.
    """

    def __init__(self, clients: RedisClients) -> None:
        self._redis: Redis | None = clients.of()
        self._messages = clients.key("websocket", "messages")
        self._reviews = clients.key("websocket", "reviews")
        # Ours come back too; they were delivered before.
        self._process = uuid4().hex.encode()
        self._outage = OutageGuard("websocket rooms")
        self._subscription: Subscription | None = None
        if self._redis is not None:
            channels = (self._messages, self._reviews)
            self._subscription = Subscription(self._redis, channels, self._outage)

    async def listen(self, deliver: Deliver, review: Review) -> None:
        """Returns when it hears the others, or knows that it cannot yet. Later calls are free."""
        if self._subscription is None:
            return

        async def review_all() -> None:
            review(None)

        await self._subscription.listen(partial(self._handle, deliver, review), review_all)

    async def publish(self, room: str, text: str) -> None:
        await self._send(self._messages, f"{room}\n{text}")

    async def publish_review(self, user_id: UUID | None) -> None:
        await self._send(self._reviews, "" if user_id is None else user_id.hex)

    async def aclose(self) -> None:
        if self._subscription is not None:
            await self._subscription.aclose()

    async def _send(self, channel: str, text: str) -> None:
        if self._redis is not None:
            data = b"\n".join((self._process, text.encode()))
            publish = partial(self._redis.publish, channel, data)
            await self._outage.run(cast("Any", publish), None)

    def _handle(self, deliver: Deliver, review: Review, channel: str, said: bytes) -> None:
        process, _, data = said.partition(b"\n")
        if process == self._process:
            return
        if channel == self._messages:
            room, _, text = data.decode().partition("\n")
            deliver(room, text)
        else:
            review(UUID(data.decode()) if data else None)
