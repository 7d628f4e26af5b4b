"""Sending, whatever happens to the broker."""

import asyncio
import socket
import time
from typing import Any

import pytest
from celery import Celery
from fastapi import APIRouter
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.lifespan import open_features
from app.core.extensions import Extensions
from app.core.feature import Feature, extensions_of
from app.infrastructure.celery import feature as celery_feature
from app.infrastructure.celery.broker import Broker, CelerySetup, create_celery
from app.infrastructure.celery.errors import BrokerUnreachableError
from app.infrastructure.celery.queue import LOST, TaskQueue, TaskQueueDep, task_queue_of
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import Dispatcher, Periodic, Task, TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import PurgedElsewhere
from app.infrastructure.database.session import SessionDep
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.health import feature as health
from tests.fixtures.celery import Server, waiting, wire_to
from tests.fixtures.operations import Diary
from tests.support import FixedSettings, counted, serving

from .kettle import Boil, boil, features, whistle

pytestmark = pytest.mark.anyio

CUP = Boil(cup="tea")
# Of a machine that has other things to do.
SLACK_SECONDS = 10


class Shelf(Dispatcher):
    def __init__(self) -> None:
        self.kept: list[TaskMessage] = []

    async def dispatch(self, session: AsyncSession, message: TaskMessage) -> None:
        assert session.is_active
        self.kept.append(message)


async def send(queue: TaskQueue, database: Database) -> None:
    async with database.transaction() as session:
        await queue.enqueue(session, boil, CUP)


stove = APIRouter()


@stove.post("/stove", status_code=202)
async def light(session: SessionDep, queue: TaskQueueDep) -> int:
    await queue.enqueue(session, boil, CUP)
    return queue.lost


def celery_for(url: str, settings: CelerySettings) -> Celery:
    """By another way than that of the service."""
    setup = CelerySetup(settings, Broker(url=SecretStr(url)))
    return create_celery(setup, Extensions())


class TestOutage:
    async def test_keeps_no_request_from_its_answer_and_loses_its_task_alone(
        self, each_broker: Server, database_settings: DatabaseSettings
    ) -> None:
        async with wire_to(each_broker.url) as wire:
            settings = CelerySettings(broker_url=wire.url, queue=f"test-{uuid7().hex}")
            celery = celery_for(each_broker.url, settings)
            parts = [
                *features(database_settings, settings),
                Feature(name="stove", routers=(stove,)),
            ]
            async with serving(FixedSettings(environment="test"), parts) as client:
                answers = [await client.post("stove")]
                await wire.cut()
                started = time.monotonic()
                with capture_logs() as lines:
                    answers.append(await client.post("stove"))
                duration = time.monotonic() - started
                await wire.mend()
                answers.append(await client.post("stove"))

            assert [(answer.status_code, answer.json()) for answer in answers] == [
                (202, 0),
                (202, 0),
                (202, 1),
            ]
            assert duration < settings.dispatch_timeout_seconds + SLACK_SECONDS
            assert await asyncio.to_thread(waiting, celery) == 2
            celery.close()

        (line,) = [line for line in lines if line["event"] == "task lost"]
        assert (line["name"], line["log_level"], line["lost"]) == ("kettle.boil", "error", 1)
        assert "127.0.0.1" not in str(line)

    async def test_waits_for_a_silent_broker_no_longer_than_told(
        self, broker_url: str, database_settings: DatabaseSettings
    ) -> None:
        scheme, _, _ = broker_url.partition(":")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0"
            settings = CelerySettings(broker_url=SecretStr(url), dispatch_timeout_seconds=0.2)
            async with open_features(features(database_settings, settings)) as state:
                queue, database = task_queue_of(state), state["database"]
                started = time.monotonic()
                # More than there are threads, and all at once.
                with capture_logs(), counted(LOST) as lost:
                    await asyncio.gather(*(send(queue, database) for _ in range(6)))

                assert time.monotonic() - started < SLACK_SECONDS
                assert queue.lost == 6
                assert lost == {("kettle.boil",): 6}

    async def test_is_shown_by_the_readiness_which_stays_200(
        self, broker_url: str, database_settings: DatabaseSettings
    ) -> None:
        async with wire_to(broker_url) as wire:
            settings = CelerySettings(broker_url=wire.url, dispatch_timeout_seconds=1)
            parts = features(database_settings, settings)
            async with serving(
                FixedSettings(environment="test"), [*parts, health.feature(parts)]
            ) as client:
                answers = [await ready(client)]
                await wire.cut()
                answers.append(await ready(client))
                await wire.mend()
                answers.append(await ready(client))

        assert answers[0] == answers[2] == (200, {"status": "ok", "failing": {}})
        assert answers[1][0] == 200
        assert answers[1][1]["status"] == "degraded"
        assert list(answers[1][1]["failing"]) == ["tasks"]


async def ready(client: AsyncClient) -> tuple[int, Any]:
    response = await client.get("http://test/health/ready")
    return response.status_code, response.json()


class TestEnqueue:
    async def test_sends_after_the_commit_and_nothing_if_the_transaction_is_undone(
        self, broker_url: str, database_settings: DatabaseSettings
    ) -> None:
        settings = CelerySettings(broker_url=SecretStr(broker_url), queue=f"test-{uuid7().hex}")
        celery = celery_for(broker_url, settings)
        counts = []
        async with open_features(features(database_settings, settings)) as state:
            queue, database = task_queue_of(state), state["database"]
            with pytest.raises(LookupError, match="on purpose"):
                async with database.transaction() as unit:
                    await queue.enqueue(unit, boil, CUP)
                    raise LookupError("on purpose")
            counts.append(await asyncio.to_thread(waiting, celery))
            async with database.transaction() as unit:
                await queue.enqueue(unit, boil, CUP)
                counts.append(await asyncio.to_thread(waiting, celery))
            counts.append(await asyncio.to_thread(waiting, celery))
            assert queue.lost == 0
        celery.close()

        assert counts == [0, 0, 1]

    async def test_hands_over_to_a_dispatcher(
        self, state: dict[str, Any], session: AsyncSession, diary: Diary
    ) -> None:
        shelf = Shelf()
        queue = TaskQueue(
            task_queue_of(state).sender,
            state["database"],
            Extensions([boil, shelf, diary]),
            CelerySettings(),
        )

        task_id = await queue.enqueue(session, boil, CUP)

        (message,) = shelf.kept
        assert message.carried == {"traceparent": "sender"}
        assert (message.id, message.name, message.payload["cup"]) == (task_id, "kettle.boil", "tea")

    async def test_refuses_a_task_that_no_feature_lists(
        self, state: dict[str, Any], session: AsyncSession
    ) -> None:
        with pytest.raises(LookupError, match=r"no feature lists the task kettle\.boil"):
            await task_queue_of(state).enqueue(session, boil, CUP)

    @pytest.mark.parametrize("limits", [(300, 300), (10, 700)])
    def test_refuses_time_limits_under_which_tasks_would_be_given_out_twice(
        self, limits: tuple[float, float], state: dict[str, Any]
    ) -> None:
        task: Task[Boil] = Task(
            name="kettle.long",
            payload=Boil,
            function=boil.function,
            soft_time_limit_seconds=limits[0],
            time_limit_seconds=limits[1],
        )

        with pytest.raises(ValueError, match=r"kettle\.long needs a soft time limit below"):
            TaskQueue(
                task_queue_of(state).sender, state["database"], Extensions([task]), CelerySettings()
            )


class TestFeature:
    def test_leaves_the_purge_to_beat_where_there_is_a_broker(self) -> None:
        local = celery_feature.feature(CelerySettings(), purge_interval_seconds=60)
        settings = CelerySettings(broker_url=SecretStr("broker://host"))
        remote = celery_feature.feature(settings, purge_interval_seconds=60)
        never = celery_feature.feature(settings, purge_interval_seconds=0)

        assert [bool(extensions_of([it]).of(PurgedElsewhere)) for it in (local, remote, never)] == [
            False,
            True,
            False,
        ]
        (periodic,) = extensions_of([remote]).of(Periodic)
        assert periodic.task.name == "database.purge"
        assert whistle.name == "kettle.whistle"

    async def test_uses_the_shared_server_unless_it_has_its_own(
        self, broker_url: str, database_settings: DatabaseSettings
    ) -> None:
        shared = Broker(url=SecretStr(broker_url), prefix="shop:")
        parts: list[Feature] = [
            *features(database_settings, CelerySettings())[:1],
            celery_feature.feature(CelerySettings(), purge_interval_seconds=60, shared=shared),
        ]
        async with open_features(parts) as state:
            await task_queue_of(state).sender.ping()

    async def test_says_that_the_broker_is_out_of_reach(
        self, broker_url: str, database_settings: DatabaseSettings
    ) -> None:
        async with wire_to(broker_url) as wire:
            await wire.cut()
            settings = CelerySettings(broker_url=wire.url)
            async with open_features(features(database_settings, settings)) as state:
                with pytest.raises(BrokerUnreachableError) as caught:
                    await task_queue_of(state).sender.ping()

        assert "127.0.0.1" not in caught.value.detail
