"""From the commit to what a real worker does, whoever dies on the way."""

import signal
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from app.bootstrap.lifespan import open_features
from app.infrastructure.celery.queue import task_queue_of
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from tests.fixtures.celery import Background, fork, until
from tests.infrastructure.celery.kettle import Boil

from .post import EAGER, count, features, filled, forward, send_and_die, work

pytestmark = pytest.mark.anyio


@dataclass
class Kitchen:
    settings: CelerySettings
    database: DatabaseSettings
    worker: Background


@pytest.fixture(scope="module")
async def kitchen(
    broker_url: str, tmp_path_factory: pytest.TempPathFactory, kettle_settings: DatabaseSettings
) -> AsyncGenerator[Kitchen]:
    folder = tmp_path_factory.mktemp("worker")
    settings = CelerySettings(
        broker_url=SecretStr(broker_url), queue=f"test-{uuid4().hex}", heartbeat_folder=folder
    )
    worker = fork(folder / "log", work, kettle_settings, settings)
    try:
        await worker.ready(folder / "celery-worker.heartbeat")
        yield Kitchen(settings, kettle_settings, worker)
    finally:
        worker.kill()


class TestDelivery:
    async def test_does_a_task_once_whose_sender_was_killed_before_it_noted_that_it_was_sent(
        self, kitchen: Kitchen, database: Database, tmp_path: Path
    ) -> None:
        short = EAGER.model_copy(update={"lease_seconds": 0.5})
        sender = fork(
            tmp_path / "log", send_and_die, kitchen.database, kitchen.settings, short, "twice"
        )
        assert await sender.stopped() == -signal.SIGKILL
        assert await filled(database, "twice") == [1]
        # Nobody has noted it.
        assert await count(database) == 1

        parts = features(kitchen.database, kitchen.settings, short)
        async with open_features(parts, serves=True):

            async def look() -> list[dict[str, Any]]:
                lines = kitchen.worker.lines("task")
                return [line for line in lines if line["outcome"] == "done before"]

            (line,) = await until(look)

        assert line["name"] == "kettle.boil"
        assert await filled(database, "twice") == [1]
        assert await count(database) == 0

    async def test_sends_from_a_worker_what_a_task_asks_for(
        self, kitchen: Kitchen, database: Database
    ) -> None:
        # Nobody serves: the worker does it alone.
        async with (
            open_features(features(kitchen.database, kitchen.settings)) as state,
            state["database"].transaction() as session,
        ):
            await task_queue_of(state).enqueue(session, forward, Boil(cup="forwarded"))

        assert await filled(database, "forwarded") == [1]

        async def look() -> bool:
            return await count(database) == 0

        assert await until(look)
