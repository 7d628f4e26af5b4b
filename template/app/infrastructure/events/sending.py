"""The way out of the process for public events."""

import asyncio
from abc import ABC, abstractmethod

import structlog
from redis.asyncio import Redis

from .entry import FIELD
from .event import Envelope
from .receiver import Receiver
from .settings import EventsSettings

logger = structlog.get_logger()


class Sender(ABC):
    @abstractmethod
    async def send(self, envelope: Envelope) -> None:
        """Raises `redis.RedisError`; it may have been sent even so."""


class StreamSender(Sender):
    """To a stream of Redis, which keeps the newest for whoever reads it."""

    def __init__(self, redis: Redis, stream: str, *, max_length: int) -> None:
        self._redis = redis
        self._stream = stream
        self._max_length = max_length

    async def send(self, envelope: Envelope) -> None:
        await self._redis.xadd(
            self._stream,
            {FIELD: envelope.to_json()},
            maxlen=self._max_length,
            # Whole blocks of the oldest: exactly would cost more for each event.
            approximate=True,
        )


class LocalSender(Sender):
    """The stand-in for Redis and a consumer: this process handles what it tells."""

    def __init__(self, receiver: Receiver, settings: EventsSettings) -> None:
        self._receiver = receiver
        self._settings = settings

    async def send(self, envelope: Envelope) -> None:
        # Through JSON, so that what only a process can say fails here too.
        body = envelope.to_json()
        attempt = 0
        while True:
            attempt += 1
            failures = await self._receiver.receive(body, attempt, _no_renewal)
            if attempt == self._settings.max_deliveries or all(it.is_final for it in failures):
                break
            await asyncio.sleep(self._settings.wait_seconds(attempt))
        for failure in failures:
            logger.error(
                "event given up",
                event_name=envelope.type,
                event_id=envelope.id,
                handler=failure.handler,
                code=failure.code,
            )


async def _no_renewal() -> None:
    """Nobody else could take it over."""
