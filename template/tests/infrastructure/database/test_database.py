"""Sessions, units of work, and what happens when the database is out of reach."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import CheckConstraint, Column, Integer, String, Table, insert, select, text
from sqlalchemy.exc import IntegrityError
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.errors import ConflictError
from app.core.feature import Feature
from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.base import Base
from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import (
    DatabaseUnreachableError,
    translate_violations,
    violated_constraint,
)
from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.infrastructure.database.settings import DatabaseSettings
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


class TakenError(ConflictError):
    code = "sample.taken"
    title = "Taken"


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncGenerator[Database]:
    database = Database(database_settings)
    yield database
    await database.aclose()


@pytest.fixture
async def sample(database: Database) -> AsyncGenerator[Table]:
    """A table of the test's own."""
    table = Table(
        "sample",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column("word", String(10), unique=True),
        CheckConstraint("length(word) > 1", name="long_enough"),
    )
    async with database.write_engine.begin() as connection:
        await connection.run_sync(table.create)
    yield table
    async with database.write_engine.begin() as connection:
        await connection.run_sync(table.drop)
    Base.metadata.remove(table)


async def words(database: Database, sample: Table) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(select(sample.c.word).order_by(sample.c.id)))


class TestTransaction:
    async def test_commits_at_the_end(self, database: Database, sample: Table) -> None:
        async with database.transaction() as session:
            await session.execute(insert(sample).values(word="kept"))

        assert await words(database, sample) == ["kept"]

    async def test_an_exception_rolls_back(self, database: Database, sample: Table) -> None:
        with pytest.raises(TakenError):
            async with database.transaction() as session:
                await session.execute(insert(sample).values(word="lost"))
                raise TakenError("no")

        assert await words(database, sample) == []


class TestAfterCommit:
    async def test_runs_when_the_data_is_safe(self, database: Database, sample: Table) -> None:
        seen = []

        async def look() -> None:
            seen.extend(await words(database, sample))

        async with database.transaction() as session:
            await session.execute(insert(sample).values(word="kept"))
            after_commit(session, look)
            assert seen == []

        assert seen == ["kept"]

    async def test_is_dropped_by_a_rollback(self, database: Database) -> None:
        async def never() -> None:
            raise AssertionError

        with pytest.raises(TakenError):
            async with database.transaction() as session:
                after_commit(session, never)
                raise TakenError("no")

    async def test_a_failing_callback_does_not_stop_the_next(self, database: Database) -> None:
        done = []

        async def fail() -> None:
            raise RuntimeError

        async def succeed() -> None:
            done.append(True)

        async with database.transaction() as session:
            after_commit(session, fail)
            after_commit(session, succeed)

        assert done == [True]


class TestViolations:
    async def test_become_the_error_of_their_constraint(
        self, database: Database, sample: Table
    ) -> None:
        async def add() -> None:
            async with database.transaction() as session:
                with translate_violations(uq_sample_word=TakenError("taken")):
                    await session.execute(insert(sample).values(word="once"))

        await add()
        with pytest.raises(TakenError):
            await add()

    @pytest.mark.parametrize(
        ("values", "constraint"),
        [({"word": "x"}, "ck_sample_long_enough"), ({"id": 1, "word": "yy"}, "pk_sample")],
    )
    async def test_others_are_defects(
        self, database: Database, sample: Table, values: dict[str, Any], constraint: str
    ) -> None:
        async with database.transaction() as session:
            await session.execute(insert(sample).values(id=1, word="first"))

        with pytest.raises(IntegrityError) as raised:
            async with database.transaction() as session:
                with translate_violations(uq_sample_word=TakenError("taken")):
                    await session.execute(insert(sample).values(**values))

        assert violated_constraint(raised.value) in {constraint, None}


class TestUnreachable:
    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://user:hunter2@127.0.0.1:1/name",
            "sqlite:////nowhere/at/all.db",
        ],
    )
    async def test_one_error_that_says_what_to_do(self, url: str) -> None:
        database = Database(DatabaseSettings(url=SecretStr(url)))

        with pytest.raises(DatabaseUnreachableError) as raised:
            async with database.transaction() as session:
                await session.execute(text("SELECT 1"))

        assert "is DATABASE_URL right?" in str(raised.value)
        assert "hunter2" not in str(raised.value)
        await database.aclose()


def settings_with(url: str) -> Settings:
    return FixedSettings(environment="test", database=DatabaseSettings(url=SecretStr(url)))


class TestService:
    async def test_answers_503_while_the_database_is_away(self) -> None:
        router = APIRouter()

        @router.get("/sample")
        async def read(session: ReadSessionDep) -> int:
            return int(await session.scalar(text("SELECT 1")) or 0)

        settings = settings_with("postgresql://user:hunter2@127.0.0.1:1/name")
        features = [*enabled_features(settings), Feature(name="sample", routers=(router,))]
        async with serving(settings, features) as client:
            response = await client.get("sample")
            ready = await client.get("http://test/health/ready")

        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert response.json()["type"] == "urn:problem:database.unreachable"
        assert ready.status_code == 503
        assert ready.json()["detail"].startswith("database: The database cannot be reached")
        assert "hunter2" not in response.text + ready.text

    async def test_is_ready_with_its_schema(self, client: AsyncClient) -> None:
        assert (await client.get("http://test/health/ready")).status_code == 200
        assert (await client.get("http://test/health/ready")).json()["status"] == "ok"

    async def test_names_the_command_while_the_schema_is_behind(
        self, tmp_path: Path, migrations: list[str]
    ) -> None:
        settings = settings_with(f"sqlite:///{tmp_path}/new.db")
        async with serving(settings, enabled_features(settings)) as client:
            ready = await client.get("http://test/health/ready")

        if not migrations:
            assert ready.status_code == 200
            return
        assert ready.status_code == 503
        assert "run `alembic upgrade head`" in ready.json()["detail"]

    async def test_brings_an_embedded_database_up_to_date_in_development(
        self, tmp_path: Path
    ) -> None:
        database = DatabaseSettings(url=SecretStr(f"sqlite:///{tmp_path}/new.db"))
        settings = FixedSettings(environment="development", database=database)
        async with serving(settings, enabled_features(settings)) as client:
            assert (await client.get("http://test/health/ready")).status_code == 200

    async def test_commits_before_it_answers(
        self, settings: Settings, database: Database, sample: Table
    ) -> None:
        router = APIRouter()

        @router.post("/sample/{word}")
        async def add(word: str, session: SessionDep) -> None:
            await session.execute(insert(sample).values(word=word))

        seen: list[list[str]] = []

        class LookAtTheStart:
            """Reads the table, from another connection, when the answer starts."""

            def __init__(self, app: ASGIApp) -> None:
                self.app = app

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
                async def look(message: Message) -> None:
                    if message["type"] == "http.response.start":
                        seen.append(await words(database, sample))
                    await send(message)

                await self.app(scope, receive, look)

        feature = Feature(
            name="sample", routers=(router,), middleware=(Middleware(LookAtTheStart),)
        )
        async with serving(settings, [*enabled_features(settings), feature]) as client:
            assert (await client.post("sample/first")).status_code == 200

        assert seen == [["first"]]
