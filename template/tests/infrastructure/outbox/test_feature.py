import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import ValidationError
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.outbox.models import OutboxMessage
from app.infrastructure.outbox.settings import OutboxSettings
from app.modules.health import feature as health
from tests.support import FixedSettings, serving

from .post import features

pytestmark = pytest.mark.anyio

OK = (200, {"status": "ok", "failing": {}})


def waiting_for(seconds: float) -> OutboxMessage:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    # Not to be sent now.
    return OutboxMessage(id=uuid7(), message={}, stored_at=at, due_at=at + timedelta(days=1))


async def store(database: Database, row: OutboxMessage) -> None:
    async with database.transaction() as session:
        session.add(row)


class TestReadiness:
    async def test_is_degraded_while_a_message_waits_for_too_long(
        self, database_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(database_settings, CelerySettings())
        async with serving(
            FixedSettings(environment="test"), [*parts, health.feature(parts)]
        ) as client:

            async def ready() -> tuple[int, Any]:
                response = await client.get("http://test/health/ready")
                return response.status_code, response.json()

            assert await ready() == OK
            await store(database, waiting_for(20))
            assert await ready() == OK
            await store(database, waiting_for(120))
            status, answer = await ready()
            assert status == 200
            assert answer["status"] == "degraded"
            reason = answer["failing"]["outbox"]
            assert re.match(r"A background task waits in the outbox for 1[23]\d seconds\.", reason)
            async with database.transaction() as session:
                await session.execute(delete(OutboxMessage))
            assert await ready() == OK

    async def test_asks_nothing_where_requests_wait_for_their_tasks(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        session.add(waiting_for(120))
        await session.commit()

        response = await client.get("http://test/health/ready")

        assert response.status_code == 200
        assert "outbox" not in response.json()["failing"]


class TestSettings:
    def test_refuse_waits_that_shrink(self) -> None:
        with pytest.raises(ValidationError, match="must not be less than retry_wait_seconds"):
            OutboxSettings(retry_wait_seconds=2, retry_max_wait_seconds=1)
