"""Services with an outbox, and what their processes do in the tests."""

import asyncio
import os
import signal
from functools import partial
from typing import Any
from uuid import UUID

from celery import Celery
from celery.concurrency.asynpool import AsynPool
from kombu.entity import Queue
from pydantic import JsonValue, SecretStr
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from app.bootstrap.lifespan import open_features
from app.core.feature import Feature, State, extensions_of
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.queue import Sender, task_queue_of
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import TaskContext, TaskMessage, task
from app.infrastructure.celery.worker import create_worker
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.outbox import feature as outbox
from app.infrastructure.outbox.models import OutboxMessage
from app.infrastructure.outbox.settings import OutboxSettings
from tests.fixtures.celery import until
from tests.infrastructure.celery import kettle
from tests.infrastructure.celery.kettle import Boil, boil

# Nothing is found by looking for it, and nothing that failed is tried again within a test.
NEVER = 3600
PATIENT = OutboxSettings(
    poll_interval_seconds=NEVER, retry_wait_seconds=NEVER, retry_max_wait_seconds=NEVER
)
EAGER = OutboxSettings(
    poll_interval_seconds=0.05,
    lease_seconds=NEVER,
    retry_wait_seconds=0.05,
    retry_max_wait_seconds=0.1,
)


@task("post.forward", Boil)
async def forward(context: TaskContext, payload: Boil) -> JsonValue:
    """A task that sends another one."""
    await task_queue_of(context.state).enqueue(context.session, boil, payload)
    return None


def features(
    database_settings: DatabaseSettings, celery: CelerySettings, settings: OutboxSettings = PATIENT
) -> list[Feature]:
    parts = kettle.features(database_settings, celery, forward)
    return [*parts, outbox.feature(settings)]


def settings_for(url: str) -> CelerySettings:
    """A queue of its own."""
    return CelerySettings(broker_url=SecretStr(url), queue=f"test-{uuid7().hex}")


def celery_for(url: str, settings: CelerySettings) -> Celery:
    """By another way than that of the service."""
    setup = CelerySetup(settings, Broker(url=SecretStr(url)))
    return create_celery(setup, extensions_of([]))


async def boil_cups(state: State, *cups: str) -> list[UUID]:
    """In one transaction."""
    async with state["database"].transaction() as session:
        queue = task_queue_of(state)
        return [await queue.enqueue(session, boil, Boil(cup=cup)) for cup in cups]


async def count(database: Database) -> int:
    """How many messages wait in the outbox."""
    async with database.reading() as session:
        return int(await session.scalar(select(func.count()).select_from(OutboxMessage)) or 0)


async def filled(database: Database, cup: str) -> list[int]:
    """The attempts that have filled a cup."""

    async def look() -> list[int]:
        async with database.reading() as session:
            statement = text("SELECT attempt FROM kettle WHERE cup = :cup")
            return list(await session.scalars(statement, {"cup": cup}))

    return await until(look)


def received(celery: Celery) -> list[str]:
    """Take the messages out of the queue; the ids of their tasks."""
    ids = []
    with celery.connection_for_read() as connection:
        queue: Any = Queue(celery.conf.task_default_queue)  # type: ignore[no-untyped-call]
        queue = queue(connection.default_channel)
        while (message := queue.get(no_ack=True)) is not None:
            ids.append(message.headers["id"])
    return ids


class Dying(Sender):
    """Of a process that is killed when the broker has taken a message."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def send(self, message: TaskMessage) -> None:
        await self._sender.send(message)
        os.kill(os.getpid(), signal.SIGKILL)

    async def ping(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        await self._sender.aclose()


def send_and_die(
    database_settings: DatabaseSettings, celery: CelerySettings, settings: OutboxSettings, cup: str
) -> None:
    async def run() -> None:
        async with open_features(features(database_settings, celery, settings)) as state:
            queue = task_queue_of(state)
            queue.sender = Dying(queue.sender)
            await boil_cups(state, cup)

    asyncio.run(run())


def work(database_settings: DatabaseSettings, celery: CelerySettings) -> None:
    """What `celery -A ... worker` does."""
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    parts = features(database_settings, celery)
    app = create_worker(extensions_of(parts), partial(open_features, parts))
    AsynPool.timers = property(lambda pool: {pool.maintain_pool: 0.1})
    app.start(["-q", "worker", "--concurrency=1", "--without-mingle", "--without-gossip"])
