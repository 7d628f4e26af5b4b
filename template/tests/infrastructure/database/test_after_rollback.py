from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.core.errors import ConflictError
from app.infrastructure.database.after_commit import after_commit, after_rollback
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings

pytestmark = pytest.mark.anyio


class TakenError(ConflictError):
    code = "sample.taken"
    title = "Taken"


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncGenerator[Database]:
    database = Database(database_settings)
    yield database
    await database.aclose()


async def never() -> None:
    raise AssertionError


class TestAfterRollback:
    async def test_runs_once_the_lock_is_free(self, database: Database) -> None:
        noted = []

        async def write() -> None:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))
            noted.append("undone")

        with pytest.raises(TakenError):
            async with database.transaction() as session:
                # From here on nobody else can write to SQLite.
                await session.execute(text("SELECT 1"))
                after_commit(session, never)
                after_rollback(session, write)
                raise TakenError("no")

        assert noted == ["undone"]

    async def test_is_dropped_by_a_commit(self, database: Database) -> None:
        async with database.transaction() as session:
            after_rollback(session, never)

    async def test_a_failing_callback_does_not_hide_the_error(self, database: Database) -> None:
        with capture_logs() as lines, pytest.raises(TakenError):
            async with database.transaction() as session:
                after_rollback(session, never)
                raise TakenError("no")

        assert [(line["event"], line["kind"]) for line in lines] == [
            ("a callback failed", "after_rollback")
        ]
