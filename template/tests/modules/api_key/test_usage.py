from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.modules.api_key.feature import feature
from app.modules.api_key.settings import ApiKeySettings
from app.modules.api_key.usage import UsageLog
from app.modules.user.dependencies import requires
from app.modules.user.models import User
from app.modules.user.permissions import READ_PROFILE
from tests.support import client_of

from .samples import Unreachable, records

pytestmark = pytest.mark.anyio

router = APIRouter(prefix="/kettles", dependencies=[requires(READ_PROFILE)])


@router.get("/{kettle_id}/defect")
async def fail(kettle_id: str) -> None:
    raise ZeroDivisionError(kettle_id)


@pytest.fixture
async def key_client(
    app: FastAPI, state: dict[str, Any], generated: dict[str, Any]
) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        client.headers["x-api-key"] = generated["key"]
        yield client


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

    async def test_is_recorded_before_the_process_may_stand_still(
        self, key_client: AsyncClient, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        await key_client.get("users/me")
        settle = feature(ApiKeySettings()).settle
        assert settle is not None
        await settle(state)

        assert len(await records(session)) == 1

    async def test_that_fails_is_recorded_as_a_defect(
        self,
        state: dict[str, Any],
        settings: Settings,
        session: AsyncSession,
        usage: UsageLog,
        generated: dict[str, Any],
    ) -> None:
        kettle = Feature(name="kettle", routers=(router,))
        app = create_app(settings, [*enabled_features(settings), kettle])
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
            patch.setattr(usage, "_database", Unreachable())
            await usage.flush()
        (entry,) = logs
        assert (entry["log_level"], entry["uses"]) == ("warning", 1)

        assert (await key_client.get("users/me")).status_code == 200
        await usage.flush()

        assert len(await records(session)) == 2
