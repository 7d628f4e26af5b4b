"""The processes of the service itself, started as they are where it is deployed."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete

from app.bootstrap.settings import Settings
from app.infrastructure.celery.models import ScheduledRun, TaskExecution
from app.infrastructure.celery.purging import purge_expired
from app.infrastructure.celery.settings import BEAT, WORKER, CelerySettings
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from tests.fixtures.celery import Background, until, until_true

pytestmark = pytest.mark.anyio

PROJECT = Path(__file__).parents[3]


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncGenerator[Database]:
    """In which the purge was due yesterday."""
    database = Database(database_settings)
    async with database.transaction() as session:
        await session.execute(delete(ScheduledRun))
        due = datetime.now(UTC) - timedelta(days=2)
        session.add(ScheduledRun(name=purge_expired.name, last_sent_at=due))
    yield database
    async with database.transaction() as session:
        for table in (ScheduledRun, TaskExecution):
            await session.execute(delete(table))
    await database.aclose()


@pytest.fixture
def start(
    broker_url: str, tmp_path: Path, database_settings: DatabaseSettings
) -> Generator[Callable[..., Background]]:
    groups = {name.upper() for name in Settings.model_fields}
    others = {it: value for it, value in os.environ.items() if it.split("_")[0] not in groups}
    environment = others | {
        "PYTHONPATH": str(PROJECT),
        "ENVIRONMENT": "test",
        "LOG_FORMAT": "json",
        "DATABASE_URL": database_settings.url.get_secret_value(),
        "CELERY_BROKER_URL": broker_url,
        "CELERY_QUEUE": f"test-{uuid4().hex}",
        "CELERY_HEARTBEAT_FOLDER": str(tmp_path),
    }
    with ExitStack() as stack:

        def run(name: str, *options: str) -> Background:
            log = tmp_path / f"{name}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-m", "celery", "-q", "-A", "app.worker", name, *options],
                    cwd=tmp_path,
                    env=environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            background = Background(process.pid, process.poll, log)
            stack.callback(process.wait)
            stack.callback(background.kill)
            return background

        yield run


async def is_done(database: Database, task_id: UUID) -> bool:
    async with database.reading() as session:
        return await session.get(TaskExecution, str(task_id)) is not None


class TestEntryPoint:
    async def test_sends_what_is_due_once_does_it_and_stops_when_told_to(
        self,
        start: Callable[..., Background],
        database: Database,
        tmp_path: Path,
    ) -> None:
        beat = start("beat", "--pidfile=")
        worker = start("worker", "--concurrency=1", "--without-mingle", "--without-gossip")
        await beat.ready(tmp_path / "celery-beat.heartbeat")
        await worker.ready(tmp_path / "celery-worker.heartbeat")

        def purges() -> list[UUID]:
            lines = beat.lines("scheduled")
            return [UUID(it["task_id"]) for it in lines if it["name"] == purge_expired.name]

        await until_true(purges)
        await until(lambda: is_done(database, purges()[0]))
        for process in (beat, worker):
            process.ask_to_stop()
        assert [await beat.stopped(), await worker.stopped()] == [0, 0]
        assert len(purges()) == 1
        for name in (BEAT, WORKER):
            assert not CelerySettings(heartbeat_folder=tmp_path).heartbeat(name).is_alive
