"""Real workers on a real broker."""

import asyncio
import json
import pickle
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from celery import Celery
from kombu.connection import Connection
from pydantic import SecretStr
from sqlalchemy import delete, text
from uuid_utils.compat import uuid7

from app.core.extensions import Extensions
from app.core.feature import extensions_of
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.models import DeadLetter, TaskExecution
from app.infrastructure.celery.queue import BrokerSender, TaskQueue
from app.infrastructure.celery.settings import WORKER, CelerySettings
from app.infrastructure.celery.tasks import Task, TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from tests.fixtures.celery import Background, Server, fork, until, until_true, waiting, wire_to

from .kettle import boil, burst, die, features, simmer, stick, work

pytestmark = pytest.mark.anyio


def settings_for(url: str, folder: Path) -> CelerySettings:
    """Retries at once, and a queue of its own."""
    return CelerySettings(
        broker_url=SecretStr(url),
        queue=f"test-{uuid4().hex}",
        retry_wait_seconds=0.01,
        heartbeat_folder=folder,
    )


@dataclass
class Kitchen:
    """A queue, and the database that its workers write to."""

    settings: CelerySettings
    database: Database
    queue: TaskQueue
    celery: Celery

    async def send(self, task: Task[Any], **payload: object) -> UUID:
        async with self.database.transaction() as session:
            return await self.queue.enqueue(session, task, task.payload.model_validate(payload))

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
    celery = create_celery(setup, extensions)
    sender = BrokerSender(celery, extensions, settings)
    yield Kitchen(settings, database, TaskQueue(sender, database, extensions, settings), celery)
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
) -> AsyncGenerator[tuple[Kitchen, Background]]:
    """With a worker that all tests share."""
    folder = tmp_path_factory.mktemp("worker")
    settings = settings_for(broker_url, folder)
    worker = fork(folder / "log", work, kettle_settings, settings)
    try:
        async with kitchen_with(settings, kettle_settings) as kitchen:
            await worker.ready(folder / "celery-worker.heartbeat")
            yield kitchen, worker
    finally:
        worker.kill()


@pytest.fixture
def kitchen(shared_kitchen: tuple[Kitchen, Background]) -> Kitchen:
    return shared_kitchen[0]


@pytest.fixture
def worker(shared_kitchen: tuple[Kitchen, Background]) -> Background:
    return shared_kitchen[1]


class TestWorker:
    async def test_does_a_task_with_the_request_id_of_its_sender(
        self, kitchen: Kitchen, worker: Background
    ) -> None:
        with structlog.contextvars.bound_contextvars(request_id="abcdef-0123"):
            task_id = await kitchen.send(boil, cup="tea")

        assert await kitchen.filled("tea") == [1]

        async def look() -> list[dict[str, Any]]:
            return [line for line in worker.lines("task") if line["task_id"] == str(task_id)]

        (line,) = await until(look)
        assert (line["request_id"], line["name"]) == ("abcdef-0123", "kettle.boil")
        assert (line["outcome"], line["attempt"], line["level"]) == ("done", 1, "info")

    async def test_tries_again_what_may_work_later(
        self, kitchen: Kitchen, worker: Background
    ) -> None:
        task_id = await kitchen.send(boil, cup="late", failures=2)

        assert await kitchen.filled("late") == [3]

        lines = [line for line in worker.lines("task") if line["task_id"] == str(task_id)]
        assert [line["outcome"] for line in lines[:2]] == ["retry", "retry"]
        assert lines[0]["error"] == "NoWaterError"

    async def test_keeps_what_fails_for_good_as_a_dead_letter(
        self, kitchen: Kitchen, worker: Background
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
        letter = await kitchen.dead(await kitchen.send(simmer))

        assert letter.error == "TaskTimeoutError"

    async def test_kills_what_cannot_be_cancelled(self, kitchen: Kitchen) -> None:
        letter = await kitchen.dead(await kitchen.send(stick))

        assert letter.error == "TimeLimitExceeded"

    async def test_survives_the_death_of_its_child_whose_task_is_tried_again(
        self, kitchen: Kitchen
    ) -> None:
        await kitchen.send(die, cup="lid", failures=1)

        assert await kitchen.filled("lid") == [2]

    async def test_gives_up_a_task_that_kills_each_child(self, kitchen: Kitchen) -> None:
        letter = await kitchen.dead(await kitchen.send(die, cup="spout", failures=9))

        assert (letter.error, letter.attempts) == ("WorkerLostError", 2)
        assert await kitchen.poured("spout") == []

    async def test_keeps_a_task_that_it_does_not_know(
        self, kitchen: Kitchen, worker: Background
    ) -> None:
        message = TaskMessage(id=uuid7(), name="kettle.new", payload={"cup": "unheard"})
        # The sender need not know it either.
        setup = CelerySetup(kitchen.settings, Broker(url=kitchen.settings.broker_url))
        known = Extensions()
        sender = BrokerSender(create_celery(setup, known), known, kitchen.settings)
        await sender.send(message)
        await sender.aclose()

        letter = await kitchen.dead(message.id)

        assert (letter.name, letter.error) == ("kettle.new", "KeyError")
        assert letter.message["payload"] == {"cup": "unheard"}
        assert "unheard" not in worker.log.read_text()

    @pytest.mark.parametrize("content_type", ["application/x-python-serialize", "application/json"])
    async def test_refuses_what_is_no_task_of_ours(
        self, kitchen: Kitchen, worker: Background, content_type: str
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
        assert kitchen.settings.heartbeat(WORKER).is_alive


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
        self, each_broker: Server, tmp_path: Path, kettle_settings: DatabaseSettings
    ) -> None:
        settings = settings_for(each_broker.url, tmp_path)
        begun, gate = tmp_path / "begun", tmp_path / "gate"
        cups = [f"{settings.queue} {number}" for number in (1, 2)]
        first = fork(tmp_path / "first", work, kettle_settings, settings)
        async with kitchen_with(settings, kettle_settings) as kitchen:
            try:
                await kitchen.send(boil, cup=cups[0])
                assert await kitchen.filled(cups[0]) == [1]
                await kitchen.send(boil, cup=cups[1], begun=begun, gate=gate)
                await until_true(begun.exists)
            finally:
                first.kill()
            assert await first.stopped() == -signal.SIGKILL
            begun.unlink()
            each_broker.give_up_workers()

            second = fork(tmp_path / "second", work, kettle_settings, settings)
            try:
                await until_true(begun.exists)
                second.ask_to_stop()
                await until_true(lambda: "Warm shutdown" in second.log.read_text())
                assert await kitchen.poured(cups[1]) == []
                gate.touch()
                assert await second.stopped() == 0
            finally:
                second.kill()

            assert await kitchen.poured(cups[1]) == [1]
            assert [line["outcome"] for line in second.lines("task")] == ["done"]
            assert waiting(kitchen.celery) == 0


class TestSilence:
    async def test_of_the_broker_takes_no_place_of_the_worker(
        self, each_broker: Server, tmp_path: Path, kettle_settings: DatabaseSettings
    ) -> None:
        """It lasts longer than anybody waits for an answer, while a task is done."""
        begun, gate = tmp_path / "begun", tmp_path / "gate"
        async with wire_to(each_broker.url) as wire:
            assert wire.url is not None
            settings = settings_for(wire.url.get_secret_value(), tmp_path)
            cups = [f"{settings.queue} {number}" for number in (1, 2)]
            worker = fork(tmp_path / "log", work, kettle_settings, settings)
            direct = settings.model_copy(update={"broker_url": SecretStr(each_broker.url)})
            async with kitchen_with(direct, kettle_settings) as kitchen:
                try:
                    await kitchen.send(boil, cup=cups[0], begun=begun, gate=gate)
                    await until_true(begun.exists)
                    wire.hold()
                    gate.touch()
                    assert await kitchen.filled(cups[0]) == [1]
                    await asyncio.sleep(settings.dispatch_timeout_seconds + 1)
                    wire.let_go()
                    await kitchen.send(boil, cup=cups[1])
                    assert await kitchen.filled(cups[1]) == [1]
                finally:
                    worker.kill()
                assert await kitchen.poured(cups[0]) == [1]
