from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from tests.fixtures.operations import Diary

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(
    fresh_database_settings: DatabaseSettings, diary: Diary
) -> AsyncGenerator[Database]:
    database = Database(fresh_database_settings, diary.operations)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE kettle (cup VARCHAR(99))"))
    diary.notes.clear()
    yield database
    await database.aclose()


class TestStatements:
    async def test_are_told_by_verb_and_table(self, database: Database, diary: Diary) -> None:
        async with database.transaction() as session:
            await session.execute(text("insert into kettle (cup) values (:cup)"), {"cup": "tea"})
            await session.execute(text('UPDATE "kettle" SET cup = :cup'), {"cup": "tea"})
        async with database.reading() as session:
            await session.execute(text("SELECT 7"))

        noted = [name for name in diary.names if name in {"INSERT kettle", "UPDATE kettle"}]
        assert noted == ["INSERT kettle", "UPDATE kettle"]
        assert diary.notes[-1] == ("SELECT", None)
        assert diary.attributes["db.query.text"] == "SELECT 7"
        assert diary.attributes["db.system.name"] in {"sqlite", "postgresql"}

    async def test_are_told_without_their_values(self, database: Database, diary: Diary) -> None:
        async with database.reading() as session:
            statement = text("SELECT cup FROM kettle WHERE cup = :cup")
            await session.execute(statement, {"cup": "hunter2"})

        assert diary.names == ["SELECT kettle"]
        assert diary.attributes["db.query.text"].startswith("SELECT cup FROM kettle WHERE cup = ")
        assert "hunter2" not in str(diary.attributes)

    async def test_that_fail_say_so(self, database: Database, diary: Diary) -> None:
        with pytest.raises(DatabaseError):
            async with database.reading() as session:
                await session.execute(text("SELECT cup FROM teapot"))

        ((name, error),) = diary.notes
        assert name == "SELECT teapot"
        assert error in {"OperationalError", "ProgrammingError"}
