"""Real workers on a real broker."""

import asyncio
import json
import pickle
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from kombu.connection import Connection
from pydantic import SecretStr
from sqlalchemy import delete, text
from uuid_utils.compat import uuid7

from app.core.extensions import Extensions
from app.core.feature import extensions_of
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.heartbeat import WORKER, Heartbeat
from app.infrastructure.celery.models import DeadLetter, TaskExecution
from app.infrastructure.celery.queue import BrokerSender, TaskQueue
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import Task, TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from tests.fixtures.celery import Worker, until

from .kettle import Boil, boil, burst, features, stick

pytestmark = pytest.mark.anyio

# They would spend a second looking for others.
ARGUMENTS = ("worker", "--without-mingle", "--without-gossip")


def settings_for(url: str, folder: Path) -> CelerySettings:
    """Short times, and a queue of its own."""
    return CelerySettings(
        broker_url=SecretStr(url),
        queue=f"test-{uuid4().hex}",
        soft_time_limit_seconds=1,
        time_limit_seconds=1.5,
        retry_wait_seconds=0.2,
        retry_max_wait_seconds=0.4,
        visibility_timeout_seconds=2,
        heartbeat_folder=folder,
    )


@dataclass
class Kitchen:
    """A queue, and the database that its workers write to."""

    settings: CelerySettings
    database: Database
    queue: TaskQueue

    async def send(self, task: Task[Any], **payload: object) -> UUID:
        async with self.database.transaction() as session:
            return await self.queue.enqueue(session, task, Boil.model_validate(payload))

    async def poured(self, cup: str) -> list[int]:
        """The attempts that have filled a cup."""
        async with self.database.reading() as session:
            statement = text("SELECT attempt FROM kettle WHERE cup = :cup")
            return list(await session.scalars(statement, {"cup": cup}))

    async def letter(self, task_id: UUID) -> DeadLetter | None:
        async with self.database.reading() as session:
            return await session.get(DeadLetter, task_id)

    async def dead(self, task_id: UUID) -> DeadLetter:
        async def look() -> DeadLetter | None:
            return await self.letter(task_id)

        letter = await until(look)
        assert letter is not None
        return letter

    async def filled(self, cup: str) -> list[int]:
        async def look() -> list[int]:
            return await self.poured(cup)

        return await until(look)


@asynccontextmanager
async def kitchen_with(
    settings: CelerySettings, database_settings: DatabaseSettings
) -> AsyncGenerator[Kitchen]:
    extensions = extensions_of(features(database_settings, settings))
    database = Database(database_settings)
    setup = CelerySetup(settings, Broker(url=settings.broker_url))
    sender = BrokerSender(create_celery(setup, extensions), extensions, settings)
    yield Kitchen(settings, database, TaskQueue(sender, database, extensions, settings))
    await sender.aclose()
    async with database.transaction() as session:
        for table in (DeadLetter, TaskExecution):
            await session.execute(delete(table))
    await database.aclose()


@pytest.fixture(scope="module")
async def kettle_settings(database_settings: DatabaseSettings) -> AsyncGenerator[DatabaseSettings]:
    """A database in which tasks can leave what they did."""
    database = Database(database_settings)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE kettle (cup VARCHAR(99), attempt INTEGER)"))
    yield database_settings
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE kettle"))
    await database.aclose()


@pytest.fixture(scope="module")
async def shared_kitchen(
    broker_url: str, tmp_path_factory: pytest.TempPathFactory, kettle_settings: DatabaseSettings
) -> AsyncGenerator[tuple[Kitchen, Worker]]:
    """With a worker that all tests share."""
    folder = tmp_path_factory.mktemp("worker")
    settings = settings_for(broker_url, folder)
    worker = Worker(folder, kettle_settings, settings, *ARGUMENTS, "--concurrency=2")
    async with kitchen_with(settings, kettle_settings) as kitchen:
        await worker.ready(folder / "celery-worker.heartbeat")
        yield kitchen, worker
        assert await worker.stop() == 0


@pytest.fixture
def kitchen(shared_kitchen: tuple[Kitchen, Worker]) -> Kitchen:
    return shared_kitchen[0]


@pytest.fixture
def worker(shared_kitchen: tuple[Kitchen, Worker]) -> Worker:
    return shared_kitchen[1]


class TestWorker:
    async def test_does_a_task_with_the_request_id_of_its_sender(
        self, kitchen: Kitchen, worker: Worker
    ) -> None:
        with structlog.contextvars.bound_contextvars(request_id="abcdef-0123"):
            task_id = await kitchen.send(boil, cup="tea")

        assert await kitchen.filled("tea") == [1]

        async def look() -> list[dict[str, Any]]:
            return [line for line in worker.lines("task") if line["task_id"] == str(task_id)]

        (line,) = await until(look)
        assert (line["request_id"], line["name"]) == ("abcdef-0123", "kettle.boil")
        assert (line["outcome"], line["attempt"], line["level"]) == ("done", 1, "info")

    async def test_tries_again_what_may_work_later(self, kitchen: Kitchen, worker: Worker) -> None:
        task_id = await kitchen.send(boil, cup="late", failures=2)

        assert await kitchen.filled("late") == [3]

        lines = [line for line in worker.lines("task") if line["task_id"] == str(task_id)]
        assert [line["outcome"] for line in lines[:2]] == ["retry", "retry"]
        assert lines[0]["error"] == "NoWaterError"

    async def test_keeps_what_fails_for_good_as_a_dead_letter(
        self, kitchen: Kitchen, worker: Worker
    ) -> None:
        letter = await kitchen.dead(await kitchen.send(burst, cup="shards"))

        assert (letter.name, letter.error, letter.code) == (
            "kettle.burst",
            "BrokenError",
            "task.failed",
        )
        assert letter.attempts == 1
        assert letter.message["payload"]["cup"] == "shards"
        assert await kitchen.poured("shards") == []
        assert "shards" not in worker.log.read_text()

    async def test_gives_up_after_the_last_attempt(self, kitchen: Kitchen) -> None:
        letter = await kitchen.dead(await kitchen.send(boil, cup="dry", failures=9))

        assert (letter.error, letter.code, letter.attempts) == (
            "NoWaterError",
            "kettle.no_water",
            4,
        )

    async def test_cancels_what_takes_too_long(self, kitchen: Kitchen) -> None:
        letter = await kitchen.dead(await kitchen.send(boil, cup="slow", seconds=30))

        assert letter.error == "TaskTimeoutError"

    async def test_kills_what_cannot_be_cancelled(self, kitchen: Kitchen) -> None:
        letter = await kitchen.dead(await kitchen.send(stick, cup="stuck", seconds=30))

        assert letter.error == "TimeLimitExceeded"

    async def test_keeps_a_task_that_it_does_not_know(
        self, kitchen: Kitchen, worker: Worker
    ) -> None:
        message = TaskMessage(id=uuid7(), name="kettle.new", payload={"cup": "unheard"})
        unknown: Task[Any] = Task(name="kettle.new", payload=Boil, function=boil.function)
        setup = CelerySetup(kitchen.settings, Broker(url=kitchen.settings.broker_url))
        known = Extensions([unknown])
        sender = BrokerSender(create_celery(setup, known), known, kitchen.settings)
        await sender.send(message)
        await sender.aclose()

        letter = await kitchen.dead(message.id)

        assert (letter.name, letter.error) == ("kettle.new", "KeyError")
        assert letter.message["payload"] == {"cup": "unheard"}
        assert "unheard" not in worker.log.read_text()

    @pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/json"])
    async def test_refuses_what_is_no_task_of_ours(
        self, kitchen: Kitchen, worker: Worker, content_type: str
    ) -> None:
        before = len(worker.lines("message refused"))

        await asyncio.to_thread(publish_raw, kitchen.settings, content_type)

        async def look() -> bool:
            return len(worker.lines("message refused")) > before

        await until(look)
        assert "swordfish" not in worker.log.read_text()
        # It goes on.
        await kitchen.send(boil, cup=f"after {content_type}")
        await kitchen.filled(f"after {content_type}")

    async def test_shows_signs_of_life(self, kitchen: Kitchen) -> None:
        assert Heartbeat(kitchen.settings.heartbeat_folder, WORKER).is_alive


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("swordfish",))


def publish_raw(settings: CelerySettings, content_type: str) -> None:
    """What somebody might send who reaches the broker."""
    assert settings.broker_url is not None
    forged = [[], {"message": {"swordfish": True}}, {}]
    is_json = content_type == "application/json"
    with (
        Connection(  # type: ignore[no-untyped-call]
            settings.broker_url.get_secret_value()
        ) as connection,
        connection.Producer() as producer,
    ):
        producer.publish(
            json.dumps(forged) if is_json else pickle.dumps(Bomb()),
            content_type=content_type,
            content_encoding="utf-8" if is_json else "binary",
            routing_key=settings.queue,
            headers={"id": str(uuid4()), "task": "kettle.forged", "lang": "py"},
        )


class TestDeath:
    async def test_leaves_the_task_to_the_next_worker_which_finishes_before_it_stops(
        self, broker_url: str, tmp_path: Path, kettle_settings: DatabaseSettings
    ) -> None:
        settings = settings_for(broker_url, tmp_path)
        arguments = (*ARGUMENTS, "--concurrency=1")
        first = Worker(tmp_path, kettle_settings, settings, *arguments)
        async with kitchen_with(settings, kettle_settings) as kitchen:
            await first.ready(tmp_path / "celery-worker.heartbeat")
            begun = tmp_path / "begun"

            async def has_begun() -> bool:
                return begun.exists()

            try:
                await kitchen.send(boil, cup="cocoa", seconds=0.8, begun=begun)
                await until(has_begun)
            finally:
                first.kill()
            assert await kitchen.poured("cocoa") == []
            begun.unlink()

            second = Worker(tmp_path, kettle_settings, settings, *arguments)
            try:
                await until(has_begun)
                assert await second.stop() == 0
            finally:
                second.kill()

            assert await kitchen.poured("cocoa") == [1]
