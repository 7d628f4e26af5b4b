"""What `events consume` does: this service's part in the public events."""

import asyncio
import os
import socket
from dataclasses import dataclass
from uuid import uuid4

from redis.asyncio import Redis

from app.core.feature import State
from app.infrastructure.heartbeat.heartbeat import Heartbeat
from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.timing.waiting import happens_within

from .bus import event_bus_of
from .dead_letters import DeadLetters
from .reader import Desk, Reader
from .receiver import Receiver
from .running import HandlerRunner
from .settings import EventsSettings
from .stream import Subscription

HEARTBEAT = "events-consumer"
_BEAT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Keys:
    """The streams that belong to this service."""

    stream: str
    """What it tells; also the name of the group of its consumers."""
    retry: str
    """Dead letters that are to be handled after all."""
    dead: str

    @classmethod
    def of(cls, clients: RedisClients) -> "Keys":
        return cls(
            clients.key("events"), clients.key("events", "retry"), clients.key("events", "dead")
        )


def dead_letters_of(redis: Redis, keys: Keys, settings: EventsSettings) -> DeadLetters:
    return DeadLetters(
        redis, key=keys.dead, retry_key=keys.retry, max_length=settings.dead_letters_max_length
    )


class Consumer:
    """Reads each stream in a loop of its own. Several processes share the work."""

    def __init__(
        self,
        state: State,
        redis: Redis,
        keys: Keys,
        settings: EventsSettings,
        *,
        block_seconds: float,
    ) -> None:
        self.stats = event_bus_of(state).stats
        self.streams = settings.sources or (keys.stream,)
        self._heartbeat = Heartbeat(settings.heartbeat_folder, HEARTBEAT)
        self._stop = asyncio.Event()
        # Never used twice: what a dead one has begun is not taken for our own.
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        desk = Desk(
            receiver=Receiver(state, HandlerRunner(state, settings, self.stats)),
            letters=dead_letters_of(redis, keys, settings),
            settings=settings,
            stats=self.stats,
            outage=OutageGuard("events consumer"),
            stop=self._stop,
            block_seconds=block_seconds,
        )
        self._readers = [
            Reader(
                Subscription(redis, stream, keys.stream, name, is_private=stream == keys.retry),
                desk,
            )
            for stream in (*self.streams, keys.retry)
        ]

    def stop(self) -> None:
        """What is being handled is finished first."""
        self._stop.set()

    async def run(self) -> None:
        """Returns after `stop`; an outage of Redis or of the database it waits out."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._beat())
                for reader in self._readers:
                    tasks.create_task(reader.run())
        finally:
            self._heartbeat.remove()

    async def _beat(self) -> None:
        while not self._stop.is_set():
            self._heartbeat.touch()
            await happens_within(self._stop, _BEAT_SECONDS)
