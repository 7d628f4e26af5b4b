import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from app.core.feature import Feature, State
from app.infrastructure.database.database import Database
from app.infrastructure.database.session import ReadSessionDep
from app.infrastructure.database.settings import DatabaseSettings
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

# Slower than any statement is, and faster than any.
NEVER, ALWAYS = 600, 0.000001


@asynccontextmanager
async def opened(settings: DatabaseSettings, seconds: float) -> AsyncGenerator[Database]:
    database = Database(settings.model_copy(update={"slow_query_seconds": seconds}))
    for engine in (database.read_engine, database.write_engine):
        # So that the task has waited, and its stack is built anew, as for a real answer.
        event.listen(engine.sync_engine, "after_cursor_execute", wait, insert=True)
    yield database
    await database.aclose()


def wait(*_: object) -> None:
    await_only(asyncio.sleep(0))


async def look_up(database: Database, name: str) -> object:
    async with database.reading() as session:
        return await session.scalar(text("SELECT :name"), {"name": name})


def slow(lines: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (structlog's)
    return [dict(line) for line in lines if line["event"] == "slow query"]


class TestSlowQueries:
    async def test_are_logged_with_their_origin_and_without_parameters(
        self, database_settings: DatabaseSettings
    ) -> None:
        async with opened(database_settings, ALWAYS) as database:
            await look_up(database, "warm")
            with capture_logs() as lines:
                await look_up(database, "hunter2")

        (line,) = [it for it in slow(lines) if "SELECT" in it["statement"]]
        assert line["log_level"] == "warning"
        assert line["duration_ms"] > 0
        assert "hunter2" not in str(line)
        first, second = (it.split(":") for it in line["origin"][:2])
        assert first[0] == second[0] == "tests/infrastructure/database/test_slow_queries.py"
        assert first[1].endswith("look_up")
        assert second[1].split(" ")[1].startswith("test_are_logged_with")

    async def test_are_logged_where_they_are_given_up(
        self, database_settings: DatabaseSettings
    ) -> None:
        async with opened(database_settings, ALWAYS) as database:
            with capture_logs() as lines, pytest.raises(DBAPIError):
                async with database.reading() as session:
                    await session.execute(text("SELECT nonsense FROM nowhere"))

        (line,) = [it for it in slow(lines) if "nonsense" in it["statement"]]
        assert line["error"]
        assert line["origin"]

    @pytest.mark.parametrize("seconds", [0, NEVER])
    async def test_are_the_only_ones(
        self, database_settings: DatabaseSettings, seconds: float
    ) -> None:
        async with opened(database_settings, seconds) as database:
            with capture_logs() as lines:
                await look_up(database, "ada")

        assert slow(lines) == []

    async def test_are_cut_where_they_are_long(self, database_settings: DatabaseSettings) -> None:
        async with opened(database_settings, ALWAYS) as database:
            with capture_logs() as lines:
                async with database.reading() as session:
                    await session.scalar(text(f"SELECT {' + '.join(['1'] * 1000)}"))

        assert max(len(line["statement"]) for line in slow(lines)) == 2000

    async def test_carry_the_id_of_their_request(self, database_settings: DatabaseSettings) -> None:
        router = APIRouter()

        @router.get("/looking")
        async def look(session: ReadSessionDep) -> int:
            return await session.scalar(text("SELECT 1")) or 0

        settings = FixedSettings(environment="test")
        async with opened(database_settings, ALWAYS) as database:

            @asynccontextmanager
            async def lifespan(_: State) -> AsyncGenerator[State]:
                yield {"database": database}

            feature = Feature(name="looking", routers=(router,), lifespan=lifespan)
            async with serving(settings, [feature]) as client:
                with capture_logs([merge_contextvars]) as lines:
                    response = await client.get("looking", headers={"x-request-id": "the-request"})

        assert response.json() == 1
        assert {line["request_id"] for line in slow(lines)} == {"the-request"}
        assert slow(lines)[-1]["origin"][0].endswith("look")
