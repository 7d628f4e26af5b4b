"""Events for the tests, services that tell and hear them, and one that can be killed."""

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, SecretStr
from redis.asyncio import Redis
from sqlalchemy import text

from app.bootstrap.lifespan import open_features
from app.core.feature import Feature, State
from app.core.settings import Environment
from app.infrastructure.database import feature as database
from app.infrastructure.database.database import Database
from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.events import feature as events
from app.infrastructure.events.bus import event_bus_of
from app.infrastructure.events.consumer import Consumer, Keys
from app.infrastructure.events.event import Envelope, Event
from app.infrastructure.events.handlers import (
    EventContext,
    EventHandler,
    PublicEventHandler,
    handles,
    handles_public,
)
from app.infrastructure.events.settings import EventsSettings
from app.infrastructure.redis import feature as redis
from app.infrastructure.redis.clients import redis_clients_of
from app.infrastructure.redis.settings import RedisSettings

Found = TypeVar("Found")
Function = Callable[[EventContext, Any], Awaitable[None]]

_PATIENCE_SECONDS = 20


class Filled(Event):
    event_name: ClassVar[str] = "kettle.filled"
    cup: str


class Boiled(Event):
    event_name: ClassVar[str] = "kettle.boiled"
    is_public: ClassVar[bool] = True
    cup: str
    degrees: int | None = None


class Cup(BaseModel):
    """What those who hear of it read."""

    cup: str


class BrokenError(Exception):
    """Never works."""


def at_fill(function: Function, name: str = "fill") -> EventHandler[Filled]:
    return handles(Filled, name=name)(function)


def at_boil(function: Function, name: str = "pour", version: int = 1) -> PublicEventHandler[Cup]:
    return handles_public("kettle.boiled", Cup, version=version, name=name)(function)


def noting(notes: list[Any]) -> Function:
    async def handle(context: EventContext, told: Filled | Cup) -> None:  # noqa: ARG001
        notes.append(told.cup)

    return handle


async def pour(context: EventContext, told: Filled | Cup) -> None:
    statement = text("INSERT INTO teapot (cup, attempt) VALUES (:cup, :attempt)")
    await context.session.execute(statement, {"cup": told.cup, "attempt": context.attempt})


async def burst(context: EventContext, told: Filled | Cup) -> None:
    await pour(context, told)
    raise BrokenError("hunter2")


async def poured(database: Database) -> list[tuple[str, int]]:
    async with database.reading() as session:
        found = await session.execute(text("SELECT cup, attempt FROM teapot ORDER BY cup"))
        return [(row.cup, row.attempt) for row in found]


@asynccontextmanager
async def out_of_reach(database: Database) -> AsyncGenerator[list[float]]:
    """What reads gets no connection; when it tried."""
    tries: list[float] = []

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(time.monotonic())
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = SecretStr(f"postgresql://nobody@127.0.0.1:{port}/nothing")
    nowhere = open_engine(DatabaseSettings(url=address), "read")
    database.read_sessions.configure(bind=nowhere)
    yield tries
    database.read_sessions.configure(bind=database.read_engine)
    await nowhere.dispose()
    server.close()


async def until(look: Callable[[], Awaitable[Found]]) -> Found:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (found := await look()):
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.01)
    return found


class Service:
    """One that tells and hears events."""

    def __init__(self, state: State, settings: EventsSettings) -> None:
        self.state = state
        self.settings = settings
        self.events = event_bus_of(state)
        self.database: Database = state["database"]
        self.keys = Keys.of(redis_clients_of(state))

    @property
    def redis(self) -> Redis:
        client = redis_clients_of(self.state).of()
        assert client is not None
        return client

    async def tell(self, *told: Event) -> list[Envelope]:
        """In one transaction."""
        async with self.database.transaction() as session:
            return [await self.events.publish(session, event) for event in told]

    async def boil(self, *cups: str) -> list[Envelope]:
        """Returns when the stream has it."""
        envelopes = await self.tell(*(Boiled(cup=cup) for cup in cups))
        await self.events.idle()
        return envelopes

    async def entries(self, stream: str | None = None) -> list[tuple[bytes, dict[bytes, bytes]]]:
        found: Any = await self.redis.xrange(stream or self.keys.stream)
        return list(found)

    async def begun(self, stream: str | None = None) -> list[dict[str, Any]]:
        """What consumers have got and not ended."""
        found: Any = await self.redis.xpending_range(
            stream or self.keys.stream, self.keys.stream, "-", "+", 99
        )
        return list(found)

    async def is_done(self, cup: str) -> list[tuple[str, int]]:
        return [row for row in await poured(self.database) if row[0] == cup]

    async def done(self, cup: str) -> list[tuple[str, int]]:
        """Once it is."""
        return await until(lambda: self.is_done(cup))

    async def letters(self) -> list[dict[bytes, bytes]]:
        return [fields for _, fields in await self.entries(self.keys.dead)]

    async def taken_by_a_dead_one(self, times: int = 1) -> None:
        """It has got the next entry so often, and has not said any more for a long time."""
        stream = self.keys.stream
        await self.redis.xgroup_create(stream, stream, id="0", mkstream=True)
        await self.redis.xreadgroup(stream, "dead", {stream: ">"}, count=1)
        ((entry_id, _),) = await self.entries()
        for _ in range(times - 1):
            await self.redis.xclaim(stream, stream, "dead", 0, [entry_id])
        await self.age()

    async def age(self) -> None:
        """What is begun has been left alone for an hour."""
        stream = self.keys.stream
        for begun in await self.begun():
            await self.redis.xclaim(
                *(stream, stream, begun["consumer"], 0, [begun["message_id"]]),
                idle=3_600_000,
                justid=True,
            )

    def consumer(self) -> Consumer:
        return Consumer(self.state, self.redis, self.keys, self.settings, block_seconds=0.05)

    @asynccontextmanager
    async def consuming(self) -> AsyncGenerator[Consumer]:
        consumer = self.consumer()
        running = asyncio.create_task(consumer.run())
        try:
            yield consumer
        finally:
            consumer.stop()
            await running


def features(
    database_settings: DatabaseSettings,
    general: RedisSettings,
    settings: EventsSettings,
    *extensions: object,
) -> list[Feature]:
    return [
        database.feature(database_settings, environment=Environment.TEST),
        redis.feature(general),
        Feature(name="kettle", extensions=extensions),
        events.feature(settings, general),
    ]


@asynccontextmanager
async def serving_tea(
    database_settings: DatabaseSettings,
    general: RedisSettings,
    settings: EventsSettings,
    *extensions: object,
) -> AsyncGenerator[Service]:
    async with open_features(features(database_settings, general, settings, *extensions)) as state:
        yield Service(state, settings)


def main(database_url: str, redis_url: str, prefix: str, begun: str) -> None:
    """A consumer, in a process of its own, that never ends what it begins."""
    mark = Path(begun)

    async def stick(context: EventContext, told: Cup) -> None:
        await pour(context, told)
        await asyncio.to_thread(mark.touch)
        await asyncio.sleep(3600)

    async def consume() -> None:
        general = RedisSettings(url=SecretStr(redis_url), prefix=prefix)
        settings = EventsSettings(heartbeat_folder=mark.parent)
        database_settings = DatabaseSettings(url=SecretStr(database_url))
        async with serving_tea(database_settings, general, settings, at_boil(stick)) as service:
            await service.consumer().run()

    asyncio.run(consume())


if __name__ == "__main__":
    main(*sys.argv[1:])
