import asyncio
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.cli import Runner
from app.core.extensions import Extensions
from app.core.settings import Environment
from app.infrastructure.database import feature as database_feature
from app.infrastructure.database.commands import build_commands
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge, purge, purging
from app.infrastructure.database.settings import DatabaseSettings

pytestmark = pytest.mark.anyio


class Crumbs(Purge):
    name: ClassVar[str] = "crumbs"

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)
        self.swept = asyncio.Event()

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        assert session.in_transaction()
        assert now <= datetime.now(UTC)
        if not self.counts:
            self.swept.set()
            return 0
        count = self.counts.pop(0)
        if count < 0:
            raise RuntimeError("broom broken")
        return count


@pytest.fixture
def database(state: dict[str, Database]) -> Database:
    return state["database"]


async def test_counts_what_each_feature_deletes(database: Database) -> None:
    assert await purge(database, Extensions([Crumbs(3), object()])) == {"crumbs": 3}


async def test_goes_on_after_a_failure(database: Database) -> None:
    crumbs = Crumbs(-1, 2)
    with capture_logs() as lines:
        async with purging(database, Extensions([crumbs]), 0.001):
            await crumbs.swept.wait()

    assert [line["event"] for line in lines[:2]] == ["purge failed", "purged"]
    assert lines[1]["crumbs"] == 2


async def test_runs_beside_the_service_and_stops_with_it(
    database_settings: DatabaseSettings,
) -> None:
    crumbs = Crumbs()
    settings = database_settings.model_copy(update={"purge_interval_seconds": 0.001})
    feature = database_feature.feature(settings, environment=Environment.TEST)
    assert feature.lifespan is not None
    before = asyncio.all_tasks()

    async with feature.lifespan({"extensions": Extensions([crumbs])}):
        await crumbs.swept.wait()

    assert asyncio.all_tasks() == before


async def test_does_not_run_if_it_is_switched_off(database_settings: DatabaseSettings) -> None:
    settings = database_settings.model_copy(update={"purge_interval_seconds": 0})
    feature = database_feature.feature(settings, environment=Environment.TEST)
    assert feature.lifespan is not None
    before = asyncio.all_tasks()

    async with feature.lifespan({"extensions": Extensions([Crumbs()])}):
        assert asyncio.all_tasks() == before


class TestCommand:
    def test_tells_what_it_deleted(self, database_settings: DatabaseSettings) -> None:
        class Beside:
            """Runs a job with one feature open."""

            def run(self, job: object) -> object:
                async def inside() -> object:
                    database = Database(database_settings)
                    extensions = Extensions([Crumbs(7)])
                    try:
                        return await job({"database": database, "extensions": extensions})  # type: ignore[operator]
                    finally:
                        await database.aclose()

                return asyncio.run(inside())

        result = CliRunner().invoke(build_commands(database_settings), ["purge"], obj=Beside())

        assert (result.exit_code, result.output) == (0, "crumbs: 7\n")

    def test_finds_nothing_to_do(self, runner: Runner, database_settings: DatabaseSettings) -> None:
        assert runner.settings is not None
        result = CliRunner().invoke(build_commands(database_settings), ["purge"], obj=runner)

        assert result.exit_code == 0
