import asyncio
from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import event, text
from sqlalchemy.util import await_only
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

    async def test_runs_for_who_is_cancelled_before_the_commit(self, database: Database) -> None:
        noted, reached = [], asyncio.Event()

        async def note() -> None:
            noted.append("undone")

        async def work() -> None:
            async with database.transaction() as session:
                after_rollback(session, note)
                await session.execute(text("SELECT 1"))
                reached.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert noted == ["undone"]

    async def test_does_not_run_for_who_is_cancelled_in_the_commit(
        self, database: Database
    ) -> None:
        """Nobody can tell whether it has succeeded."""
        reached, released = asyncio.Event(), asyncio.Event()

        @event.listens_for(database.write_engine.sync_engine, "commit")
        def commit_slowly(_: object) -> None:
            reached.set()
            await_only(released.wait())

        async def work() -> None:
            async with database.transaction() as session:
                after_rollback(session, never)
                await session.execute(text("SELECT 1"))

        task = asyncio.create_task(work())
        await reached.wait()
        task.cancel()
        await asyncio.sleep(0)
        released.set()
        with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
            await task

        assert lines == []

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
