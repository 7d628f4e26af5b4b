from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.extensions import Extensions
from app.core.feature import Feature, State, commands_of
from app.infrastructure.redis.clients import redis_clients_of
from app.infrastructure.redis.settings import RedisSettings

from .bus import EventBus
from .consumer import Keys
from .handlers import PublicEventHandler
from .measures import EventMeasures
from .receipts import ReceiptPurge
from .receiver import Receiver
from .running import HandlerRunner
from .sending import LocalSender, Sender, StreamSender
from .settings import EventsSettings
from .stats import EventStats


def feature(settings: EventsSettings, redis: RedisSettings) -> Feature:
    """Listed last, it is closed first: while what the handlers use is still open.

    Without a readiness check: that of Redis says whether this one's server answers.
    """

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        # Handlers see what all features have opened: it is the same object until all are open.
        extensions: Extensions = state["extensions"]
        _check(extensions)
        clients = redis_clients_of(state)
        keys = Keys.of(clients)
        server = clients.of(settings.redis_url)
        runner = HandlerRunner(state, settings, EventStats())
        sender: Sender = LocalSender(Receiver(state, runner), settings)
        if server is not None:
            sender = StreamSender(server, keys.stream, max_length=settings.stream_max_length)
        bus = EventBus(extensions, settings, runner, sender, source=f"/{keys.stream}")
        try:
            yield {"event_bus": bus}
        finally:
            await bus.aclose()

    return Feature(
        name="events",
        lifespan=lifespan,
        extensions=(ReceiptPurge(settings), EventMeasures()),
        commands={"events": commands_of(__package__, settings, redis)},
    )


def _check(extensions: Extensions) -> None:
    names = [handler.name for handler in extensions.of(PublicEventHandler)]
    if twice := {name for name in names if names.count(name) > 1}:
        # What one has done would be taken for done by the other.
        raise ValueError(f"two handlers of public events have the name {min(twice)}")
