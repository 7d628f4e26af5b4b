import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import DatabaseUnreachableError
from app.infrastructure.database.purge import purge
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.api_key.models import ApiKey, ApiKeyUsage, ApiKeyUsageDay, KeyTouch, KeyUse
from app.modules.api_key.settings import ApiKeySettings
from app.modules.api_key.usage import UsageLog, UsagePurge
from app.modules.user.dependencies import requires
from app.modules.user.models import User
from app.modules.user.permissions import READ_PROFILE
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user, log_in
from tests.support import FixedSettings, client_of

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

router = APIRouter(prefix="/kettles", dependencies=[requires(READ_PROFILE)])


@router.get("/{kettle_id}/defect")
async def fail(kettle_id: str) -> None:
    raise ZeroDivisionError(kettle_id)


@pytest.fixture
async def generated(user_client: AsyncClient) -> dict[str, Any]:
    return await generate(user_client)


@pytest.fixture
async def key_client(
    app: FastAPI, state: dict[str, Any], generated: dict[str, Any]
) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        client.headers["x-api-key"] = generated["key"]
        yield client


def use(key_id: str | UUID, **values: Any) -> KeyUse:  # noqa: ANN401 (any field)
    defaults = KeyUse(UUID(str(key_id)), NOON, "GET", "/things", 200, 2.0, "192.0.2.1")
    return defaults._replace(**values)


async def records(session: AsyncSession) -> list[ApiKeyUsage]:
    return list(await session.scalars(select(ApiKeyUsage).order_by(ApiKeyUsage.id)))


async def days(session: AsyncSession) -> list[ApiKeyUsageDay]:
    statement = select(ApiKeyUsageDay).execution_options(populate_existing=True)
    return list(await session.scalars(statement.order_by(ApiKeyUsageDay.day)))


class TestRequest:
    async def test_is_recorded_with_its_route_and_answer(
        self,
        key_client: AsyncClient,
        session: AsyncSession,
        usage: UsageLog,
        generated: dict[str, Any],
        user: User,
    ) -> None:
        await key_client.get("users/me?secret=1")
        await key_client.patch("users/me", json={})
        await key_client.get(f"users/{user.id}/export")
        assert await records(session) == []

        await usage.flush()

        stored = await records(session)
        assert [(it.method, it.route, it.status) for it in stored] == [
            ("GET", "/api/v1/users/me", 200),
            ("PATCH", "/api/v1/users/me", 403),
            ("GET", "/api/v1/users/{user_id}/export", 403),
        ]
        assert {str(it.key_id) for it in stored} == {generated["id"]}
        assert all(0 < it.duration_ms < 60_000 for it in stored)
        assert all(it.address == "127.0.0.1" for it in stored)
        assert all(abs(it.at - datetime.now(UTC)) < timedelta(minutes=1) for it in stored)

    async def test_that_fails_is_recorded_as_a_defect(
        self,
        state: dict[str, Any],
        settings: Settings,
        session: AsyncSession,
        usage: UsageLog,
        generated: dict[str, Any],
    ) -> None:
        feature = Feature(name="kettle", routers=(router,))
        app = create_app(settings, [*enabled_features(settings), feature])
        client = client_of(app, state)
        client.headers["x-api-key"] = generated["key"]
        # Captured, as the log is rendered with all local variables in tests.
        with capture_logs():
            response = await client.get("kettles/7/defect")
        await usage.flush()

        assert response.status_code == 500
        (record,) = await records(session)
        assert (record.route, record.status) == ("/api/v1/kettles/{kettle_id}/defect", 500)

    @pytest.mark.parametrize("path", ["users/me", "nosuch", "http://test/health/live"])
    async def test_with_a_wrong_key_is_not(
        self, client: AsyncClient, session: AsyncSession, usage: UsageLog, path: str
    ) -> None:
        await client.get(path, headers={"X-API-Key": "nonsense"})
        await usage.flush()

        assert await records(session) == []

    async def test_marks_the_key_as_used(
        self,
        key_client: AsyncClient,
        user_client: AsyncClient,
        usage: UsageLog,
        generated: dict[str, Any],
    ) -> None:
        for _ in range(2):
            await key_client.get("users/me")
            await usage.flush()

        read = (await user_client.get(f"api-keys/{generated['id']}")).json()
        assert read["last_used_address"] == "127.0.0.1"
        used = datetime.fromisoformat(read["last_used_at"])
        assert abs(used - datetime.now(UTC)) < timedelta(minutes=1)
        assert read["updated_at"] == generated["updated_at"]

    async def test_is_answered_while_the_database_does_not_take_records(
        self,
        key_client: AsyncClient,
        usage: UsageLog,
        session: AsyncSession,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await key_client.get("users/me")
        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(usage, "_database", _Unreachable())
            await usage.flush()
        (entry,) = logs
        assert (entry["log_level"], entry["uses"]) == ("warning", 1)

        assert (await key_client.get("users/me")).status_code == 200
        await usage.flush()

        assert len(await records(session)) == 2


class _Unreachable:
    """What the database is to its users when it is away."""

    def transaction(self) -> None:
        raise DatabaseUnreachableError("OSError")


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
        monkeypatch.setattr(usage, "_database", _Unreachable())

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


class TestReadUsage:
    async def test_goes_through_the_records_newest_first(
        self, user_client: AsyncClient, usage: UsageLog, generated: dict[str, Any]
    ) -> None:
        other = await generate(user_client)
        for number in range(5):
            usage.note(use(generated["id"], route=f"/{number}"))
            usage.note(use(other["id"], route="/other"))
        await usage.flush()

        seen, cursor = [], None
        for _ in range(3):
            params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
            response = await user_client.get(f"api-keys/{generated['id']}/usage", params=params)
            assert response.status_code == 200
            seen += response.json()["data"]
            cursor = response.json()["next_cursor"]

        assert [item["route"] for item in seen] == ["/4", "/3", "/2", "/1", "/0"]
        assert cursor is None
        assert seen[0].keys() == {
            "id",
            "at",
            "method",
            "route",
            "status",
            "duration_ms",
            "address",
        }

    @pytest.mark.parametrize("params", [{"cursor": "!"}, {"limit": 0}, {"unknown": 1}])
    async def test_refuses_unknown_questions(
        self, user_client: AsyncClient, generated: dict[str, Any], params: dict[str, str]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage", params=params)

        assert response.status_code == 422


class TestReadUsageByDay:
    async def test_has_the_days_with_use_newest_first(
        self, user_client: AsyncClient, usage: UsageLog, generated: dict[str, Any]
    ) -> None:
        now = datetime.now(UTC)
        for ago, status in ((0, 200), (0, 404), (2, 503), (6, 200), (7, 200)):
            at = now - timedelta(days=ago)
            usage.note(use(generated["id"], at=at, status=status, duration_ms=1.0 + status / 200))
        await usage.flush()

        response = await user_client.get(
            f"api-keys/{generated['id']}/usage/daily", params={"days": 7}
        )

        assert response.status_code == 200
        today, other, first = response.json()
        assert today == {
            "day": now.date().isoformat(),
            "requests": 2,
            "client_errors": 1,
            "server_errors": 0,
            "average_ms": 2.51,
        }
        assert (other["requests"], other["server_errors"]) == (1, 1)
        assert first["day"] == (now - timedelta(days=6)).date().isoformat()

    async def test_is_empty_for_a_new_key(
        self, user_client: AsyncClient, generated: dict[str, Any]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage/daily")

        assert (response.status_code, response.json()) == (200, [])

    @pytest.mark.parametrize("params", [{"days": 0}, {"days": 367}, {"unknown": 1}])
    async def test_refuses_unknown_questions(
        self, user_client: AsyncClient, generated: dict[str, Any], params: dict[str, str]
    ) -> None:
        response = await user_client.get(f"api-keys/{generated['id']}/usage/daily", params=params)

        assert response.status_code == 422
