"""A database that is slow, locked or in great demand is answered for in time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import event, text
from sqlalchemy.util import await_only
from structlog.testing import capture_logs

from app.core.feature import Feature, State
from app.infrastructure.database.after_commit import after_commit, after_rollback
from app.infrastructure.database.database import Database
from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.errors import (
    DatabaseLockedError,
    DatabaseUnreachableError,
    StatementTimeoutError,
)
from app.infrastructure.database.patience import allow_long_statements
from app.infrastructure.database.session import SessionDep
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.http.time_limit import time_limit
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def postgresql(database_settings: DatabaseSettings) -> DatabaseSettings:
    if database_settings.is_embedded:
        pytest.skip("SQLite has no such timeouts")
    return database_settings


@asynccontextmanager
async def opened(settings: DatabaseSettings, **changes: object) -> AsyncGenerator[Database]:
    database = Database(settings.model_copy(update=changes))
    try:
        yield database
    finally:
        await database.aclose()


@asynccontextmanager
async def service(database: Database, router: APIRouter) -> AsyncGenerator[AsyncClient]:
    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"database": database}

    features = [Feature(name="slow", routers=(router,), lifespan=lifespan)]
    async with serving(FixedSettings(environment="test"), features) as client:
        yield client


async def run_out() -> None:
    """The time of the request, at the next occasion."""
    limit: Any = time_limit(0.0001).dependency
    await limit()


class TestServerTimeouts:
    async def test_are_set_for_every_connection(self, postgresql: DatabaseSettings) -> None:
        async with opened(postgresql) as database:
            async with database.transaction() as session:
                written = [await session.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]
            async with database.reading() as session:
                read = [await session.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]

        assert written == read == ["15s", "5s", "1min"]

    async def test_are_set_for_each_transaction_behind_pgbouncer(
        self, postgresql: DatabaseSettings
    ) -> None:
        async with opened(postgresql, prepared_statements=False) as database:
            async with database.transaction() as session:
                written = [await session.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]
            async with database.write_engine.connect() as connection:
                raw: Any = (await connection.get_raw_connection()).driver_connection
                left = [await raw.fetchval(f"SHOW {name}") for name in TIMEOUTS]

        assert written == ["15s", "5s", "1min"]
        # Whoever has the server's connection next.
        assert left == ["0", "0", "0"]

    @pytest.mark.parametrize("prepared", [True, False])
    async def test_do_not_bind_migrations(
        self, postgresql: DatabaseSettings, *, prepared: bool
    ) -> None:
        settings = postgresql.model_copy(update={"prepared_statements": prepared})
        engine = open_engine(settings.for_migrations, "write")
        async with engine.begin() as connection:
            shown = [await connection.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]
        await engine.dispose()

        assert shown == ["0", "0", "0"]

    @pytest.mark.parametrize(
        ("message", "reason"),
        [
            ("unsupported startup parameter: statement_timeout", "PREPARED_STATEMENTS=false, or"),
            ("something about hunter2", "(ProtocolViolationError)"),
        ],
    )
    async def test_that_pgbouncer_refuses_say_what_to_do(self, message: str, reason: str) -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # asyncpg asks for TLS first, and then speaks without.
            await reader.readexactly(8)
            writer.write(b"N")
            length = int.from_bytes(await reader.readexactly(4), "big")
            await reader.readexactly(length - 4)
            fields = f"SFATAL\0C08P01\0M{message}\0\0".encode()
            writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
            writer.close()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = SecretStr(f"postgresql://ada@127.0.0.1:{port}/name")
            async with opened(DatabaseSettings(url=url)) as database, database.reading() as session:
                with pytest.raises(DatabaseUnreachableError) as caught:
                    await session.execute(text("SELECT 1"))

        assert reason in caught.value.detail
        assert "hunter2" not in caught.value.detail

    async def test_end_a_slow_statement(self, postgresql: DatabaseSettings) -> None:
        async with opened(postgresql, statement_timeout_seconds=0.01) as database:
            for session_of in (database.transaction, database.reading):
                with pytest.raises(StatementTimeoutError):
                    async with session_of() as session:
                        await session.execute(text("SELECT pg_sleep(600)"))
                # The connection is still good.
                async with session_of() as session:
                    assert await session.scalar(text("SELECT 1")) == 1

    async def test_do_not_end_what_may_take_long(self, database_settings: DatabaseSettings) -> None:
        async with (
            opened(database_settings, statement_timeout_seconds=0.01) as database,
            database.transaction() as session,
        ):
            await allow_long_statements(session)
            if not database_settings.is_embedded:
                await session.execute(text("SELECT pg_sleep(0.02)"))
            assert await session.scalar(text("SELECT 1")) == 1

    async def test_end_waiting_for_a_lock(self, postgresql: DatabaseSettings) -> None:
        lock = text("LOCK TABLE alembic_version")
        async with (
            opened(postgresql, lock_timeout_seconds=0.01) as database,
            database.transaction() as session,
        ):
            await session.execute(lock)
            with pytest.raises(DatabaseLockedError):
                async with database.transaction() as other:
                    await other.execute(lock)

    async def test_is_one_answer_for_those_who_lock_each_other(
        self, postgresql: DatabaseSettings
    ) -> None:
        ended: list[str] = []

        async def lock(database: Database, first: int, second: int, both: anyio.Event) -> None:
            try:
                async with database.transaction() as session:
                    await session.execute(text(f"SELECT pg_advisory_xact_lock({first})"))
                    if first == 2:
                        both.set()
                    await both.wait()
                    await session.execute(text(f"SELECT pg_advisory_xact_lock({second})"))
                ended.append("done")
            except DatabaseLockedError:
                ended.append("locked")

        async with opened(postgresql) as database, anyio.create_task_group() as tasks:
            both = anyio.Event()
            tasks.start_soon(lock, database, 1, 2, both)
            tasks.start_soon(lock, database, 2, 1, both)

        assert sorted(ended) == ["done", "locked"]

    def test_are_not_asked_for_where_they_are_0(self) -> None:
        settings = DatabaseSettings(url=SecretStr("postgresql://host/name"), lock_timeout_seconds=0)

        assert settings.server_timeouts == {
            "statement_timeout": "15000",
            "idle_in_transaction_session_timeout": "60000",
        }
        assert settings.for_migrations.server_timeouts == {}


class TestPoolOverHttp:
    async def test_answers_in_time_when_no_connection_is_free(
        self, database_settings: DatabaseSettings
    ) -> None:
        router, held, released = APIRouter(), asyncio.Event(), asyncio.Event()

        @router.get("/holding")
        async def hold(session: SessionDep) -> int:
            one: int = await session.scalar(text("SELECT 1")) or 0
            held.set()
            await released.wait()
            return one

        @router.get("/asking")
        async def ask(session: SessionDep) -> int:
            return await session.scalar(text("SELECT 2")) or 0

        changes = {"pool_size": 1, "max_overflow": 0, "pool_timeout_seconds": 0.05}
        async with (
            opened(database_settings, **changes) as database,
            service(database, router) as client,
        ):
            holding = asyncio.create_task(client.get("holding"))
            await held.wait()
            refused = await asyncio.gather(*(client.get("asking") for _ in range(10)))
            released.set()
            answered = [await holding, await client.get("asking")]

        assert {it.status_code for it in refused} == {503}
        assert {it.headers["retry-after"] for it in refused} == {"1"}
        assert {it.json()["type"] for it in refused} == {"urn:problem:database.busy"}
        assert [(it.status_code, it.json()) for it in answered] == [(200, 1), (200, 2)]


class TestRequestLimit:
    async def test_undoes_and_gives_the_connection_back(
        self, database_settings: DatabaseSettings
    ) -> None:
        router, undone = APIRouter(), []

        @router.get("/hanging")
        async def hang(session: SessionDep) -> None:
            async def note() -> None:
                undone.append("undone")

            after_rollback(session, note)
            await session.execute(text("SELECT 1"))
            await run_out()
            await asyncio.Event().wait()

        @router.get("/asking")
        async def ask(session: SessionDep) -> int:
            return await session.scalar(text("SELECT 2")) or 0

        async with (
            opened(database_settings, pool_size=1) as database,
            service(database, router) as client,
        ):
            with capture_logs():
                cancelled = [await client.get("hanging") for _ in range(3)]
            answered = await client.get("asking")

        assert {it.json()["type"] for it in cancelled} == {"urn:problem:request.timeout"}
        assert (answered.status_code, answered.json()) == (200, 2)
        assert undone == ["undone"] * 3

    async def test_ends_the_statement_in_the_database(self, postgresql: DatabaseSettings) -> None:
        router = APIRouter()

        @router.get("/sleeping", dependencies=[time_limit(0.05)])
        async def sleep(session: SessionDep) -> None:
            await session.execute(text("SELECT pg_sleep(600)"))

        running = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
        )
        async with opened(postgresql) as database, service(database, router) as client:
            with capture_logs():
                response = await client.get("sleeping")
            async with asyncio.timeout(60), database.reading() as session:
                while await session.scalar(running):  # noqa: ASYNC110 (the server's own state)
                    await asyncio.sleep(0.01)

        assert response.json()["type"] == "urn:problem:request.timeout"

    async def test_does_not_call_a_commit_that_was_under_way_a_failure(
        self, database_settings: DatabaseSettings
    ) -> None:
        router, committed = APIRouter(), []

        @router.post("/writing")
        async def write(session: SessionDep) -> str:
            async def note() -> None:
                await asyncio.sleep(0.01)
                committed.append("committed")

            after_commit(session, note)
            await session.execute(text("SELECT 1"))
            await run_out()
            return "written"

        async with opened(database_settings) as database:

            @event.listens_for(database.write_engine.sync_engine, "commit")
            def commit_slowly(_: object) -> None:
                await_only(asyncio.sleep(0.01))

            async with service(database, router) as client:
                response = await client.post("writing")

        assert (response.status_code, response.json()) == (200, "written")
        assert committed == ["committed"]
