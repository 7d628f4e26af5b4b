import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import purge
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.api_key.models import ApiKey, KeyTouch
from app.modules.api_key.retention import UsagePurge
from app.modules.api_key.settings import ApiKeySettings
from app.modules.api_key.usage import UsageLog
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user, log_in
from tests.support import FixedSettings, client_of

from .samples import NOON, Unreachable, days, records, use

pytestmark = pytest.mark.anyio


class _Silent:
    """The same when it does not answer."""

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        await asyncio.Event().wait()
        yield


class TestFlush:
    async def test_adds_to_the_totals_of_the_day(
        self, usage: UsageLog, session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        key_id = generated["id"]
        midnight = NOON.replace(hour=23, minute=59)
        for item in (use(key_id), use(key_id, status=404), use(key_id, status=399, at=midnight)):
            usage.note(item)
        await usage.flush()
        later = midnight + timedelta(minutes=1)
        for item in (use(key_id, status=500, duration_ms=6.0), use(key_id, at=later)):
            usage.note(item)
        await usage.flush()

        first, second = await days(session)
        assert (str(first.day), first.requests, first.duration_ms) == ("2026-11-22", 4, 12.0)
        assert (first.client_errors, first.server_errors) == (1, 1)
        assert (str(second.day), second.requests) == ("2026-11-23", 1)

    async def test_without_anything_asks_the_database_nothing(
        self, usage: UsageLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(usage, "_database", Unreachable())

        await usage.flush()

    async def test_skips_keys_that_are_gone(
        self, usage: UsageLog, session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        gone = uuid4()
        usage.touch(gone, KeyTouch(NOON, None, "hash"))
        usage.note(use(gone))
        usage.note(use(generated["id"]))

        await usage.flush()

        assert [str(it.key_id) for it in await records(session)] == [generated["id"]]

    async def test_of_gone_keys_alone_stores_nothing(
        self, usage: UsageLog, session: AsyncSession
    ) -> None:
        usage.note(use(uuid4()))

        await usage.flush()

        assert await records(session) == []

    async def test_never_goes_back_to_an_earlier_use(
        self, usage: UsageLog, session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        """Another process may have stored a later one."""
        key_id = UUID(generated["id"])
        for hours, address in ((1, "192.0.2.1"), (0, "192.0.2.2")):
            usage.touch(key_id, KeyTouch(NOON + timedelta(hours=hours), address, None))
            await usage.flush()

        record = (await session.scalars(select(ApiKey))).one()
        assert record.last_used_at == NOON + timedelta(hours=1)
        assert record.last_used_address == "192.0.2.1"

    async def test_takes_many_at_once(
        self, state: dict[str, Any], session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        usage = UsageLog(state["database"], ApiKeySettings())
        for number in range(1100):
            usage.note(use(generated["id"], route=f"/{number}"))

        await usage.flush()

        assert [it.route for it in await records(session)] == [f"/{it}" for it in range(1100)]

    async def test_can_do_without_records(
        self, state: dict[str, Any], session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        usage = UsageLog(state["database"], ApiKeySettings(usage_days=0))
        usage.note(use(generated["id"]))

        await usage.flush()

        assert await records(session) == []
        assert [it.requests for it in await days(session)] == [1]

    async def test_drops_what_can_never_be_stored(
        self, usage: UsageLog, session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        """It would be in the way of the rest for ever."""
        usage.note(use(generated["id"], at=NOON.replace(tzinfo=None)))
        with capture_logs() as logs:
            await usage.flush()
        usage.note(use(generated["id"]))
        await usage.flush()

        assert [(entry["event"], entry["uses"]) for entry in logs] == [("usage lost", 1)]
        assert len(await records(session)) == 1

    async def test_of_several_processes_at_once_counts_every_use(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            ids = [(await generate(client))["id"] for _ in range(3)]
        logs = [UsageLog(committed, ApiKeySettings()) for _ in range(4)]
        for number, log in enumerate(logs):
            # Each in another order.
            for key_id in ids[number % 3 :] + ids[: number % 3]:
                log.touch(UUID(key_id), KeyTouch(NOON, None, None))
                for _ in range(5):
                    log.note(use(key_id))

        await asyncio.gather(*(log.flush() for log in logs))

        async with committed.reading() as session:
            assert [it.requests for it in await days(session)] == [20, 20, 20]
            assert len(await records(session)) == 60


class TestMemory:
    async def test_has_an_end(self, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("app.modules.api_key.usage._MOST", 3)
        usage, known = UsageLog(state["database"], ApiKeySettings()), uuid4()
        for key_id in (known, uuid4(), uuid4(), uuid4(), known):
            usage.touch(key_id, KeyTouch(NOON, None, None))
            usage.note(use(key_id))

        assert len(usage._touches) == 3  # noqa: SLF001 (nothing else tells)
        with capture_logs() as logs:
            for _ in range(2):
                await usage.flush()

        (entry,) = logs
        assert (entry["log_level"], entry["uses"]) == ("warning", 2)


class TestRunning:
    @pytest.fixture
    async def key_id(self, app: FastAPI, state: dict[str, Any], committed: Database) -> UUID:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            return UUID((await generate(client))["id"])

    async def _stored(self, database: Database) -> int:
        async with database.reading() as session:
            return len(await records(session))

    async def test_stores_at_the_end(self, committed: Database, key_id: UUID) -> None:
        usage = UsageLog(committed, ApiKeySettings(flush_interval_seconds=3600))
        async with usage.running():
            usage.note(use(key_id))
            assert await self._stored(committed) == 0

        assert await self._stored(committed) == 1

    @pytest.mark.parametrize(("interval", "count"), [(0.001, 1), (3600, 500)])
    async def test_stores_by_time_and_by_number(
        self, committed: Database, key_id: UUID, interval: float, count: int
    ) -> None:
        usage = UsageLog(committed, ApiKeySettings(flush_interval_seconds=interval))
        async with usage.running(), asyncio.timeout(10):
            for _ in range(count):
                usage.note(use(key_id))
            stored = 0
            while stored < count:
                stored = await self._stored(committed)

    async def test_ends_in_time_though_the_database_does_not_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("app.modules.api_key.usage._SHUTDOWN_SECONDS", 0.01)
        usage = UsageLog(cast("Database", _Silent()), ApiKeySettings())
        with capture_logs() as logs:
            async with asyncio.timeout(10), usage.running():
                usage.note(use(uuid4()))

        (entry,) = logs
        assert entry["event"] == "usage lost: the database did not answer before the end"

    async def test_is_part_of_the_service(
        self, database_settings: DatabaseSettings, committed: Database, key_id: UUID
    ) -> None:
        settings = FixedSettings(environment="test", database=database_settings)
        app = create_app(settings, enabled_features(settings))
        async with app.router.lifespan_context(app) as state:
            assert state is not None
            state["api_key_usage"].note(use(key_id))

        assert await self._stored(committed) == 1


class TestPurge:
    async def test_takes_old_records_and_leaves_the_totals(
        self, usage: UsageLog, session: AsyncSession, generated: dict[str, Any]
    ) -> None:
        usage.note(use(generated["id"]))
        await usage.flush()
        item = UsagePurge(ApiKeySettings(usage_days=30))
        now = datetime.now(UTC)

        counts = [
            await item.purge(session, now + timedelta(days=days)) for days in (29.99, 30.01, 30.01)
        ]

        assert counts == [0, 1, 0]
        assert await records(session) == []
        assert [it.requests for it in await days(session)] == [1]

    async def test_goes_by_the_id(self) -> None:
        """Which begins with the time it was made."""
        before = datetime.now(UTC).timestamp() * 1000
        made = uuid7().int >> 80
        assert before - 1 <= made <= datetime.now(UTC).timestamp() * 1000 + 1

    async def test_is_part_of_all(self, state: dict[str, Any]) -> None:
        counts = await purge(state["database"], state["extensions"])

        assert counts["api_key_usage"] == 0
