"""A task is stored with the data that it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.lifespan import open_features
from app.infrastructure.celery.models import TaskExecution
from app.infrastructure.celery.purging import purge_expired
from app.infrastructure.celery.queue import task_queue_of
from app.infrastructure.celery.tasks import Dispatcher, NoPayload, TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.outbox.models import OutboxMessage
from app.infrastructure.outbox.store import claim, release, store
from tests.infrastructure.celery.kettle import Boil, boil

from .post import boil_cups, count, features, settings_for

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def dead_url(broker_url: str) -> str:
    """Where no broker is."""
    scheme, _, _ = broker_url.partition(":")
    return f"{scheme}://127.0.0.1:1/0"


class TestEnqueue:
    async def test_stores_the_message_with_the_commit(
        self, dead_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(database_settings, settings_for(dead_url))
        async with open_features(parts) as state:
            with capture_logs() as lines:
                (task_id,) = await boil_cups(state, "tea")
            assert task_queue_of(state).lost == 0

        async with database.reading() as session:
            (row,) = await session.scalars(select(OutboxMessage))
        assert (row.id, row.message["name"], row.attempts) == (task_id, "kettle.boil", 1)
        assert TaskMessage.model_validate(row.message).payload["cup"] == "tea"
        (line,) = [line for line in lines if line["event"] == "outbox waits"]
        assert line["log_level"] == "warning"
        assert "127.0.0.1" not in str(lines)
        assert "tea" not in str(lines)

    async def test_stores_nothing_if_the_transaction_is_undone(
        self, dead_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(database_settings, settings_for(dead_url))
        async with open_features(parts) as state:
            with pytest.raises(LookupError, match="on purpose"):
                async with state["database"].transaction() as unit:
                    await task_queue_of(state).enqueue(unit, boil, Boil(cup="tea"))
                    raise LookupError("on purpose")

        assert await count(database) == 0

    async def test_tries_a_broker_that_is_down_once_and_not_for_each_message(
        self, dead_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(database_settings, settings_for(dead_url))
        async with open_features(parts) as state:
            with capture_logs() as lines:
                await boil_cups(state, "one", "two")
                await boil_cups(state, "three")

        async with database.reading() as session:
            rows = select(OutboxMessage.attempts).order_by(OutboxMessage.stored_at)
            assert (await session.scalars(rows)).all() == [1, 0, 0]
        assert [line["event"] for line in lines] == ["outbox waits"]

    async def test_leaves_to_others_what_is_stored_when_the_outbox_is_closed(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(database_settings, settings_for(broker_url))
        (dispatcher,) = [it for it in parts[-1].extensions if isinstance(it, Dispatcher)]
        async with open_features(parts):
            pass
        message = TaskMessage(id=uuid7(), name=boil.name, payload={})
        async with database.transaction() as session:
            await dispatcher.dispatch(session, message)

        assert await count(database) == 1


class TestWithoutBroker:
    async def test_a_request_waits_for_its_tasks_if_told_to(
        self, state: dict[str, Any], session: AsyncSession
    ) -> None:
        async with state["database"].transaction() as unit:
            task_id = await task_queue_of(state).enqueue(unit, purge_expired, NoPayload())

        assert await session.get(TaskExecution, str(task_id)) is not None
        assert await session.get(OutboxMessage, task_id) is None


class TestStore:
    async def test_keeps_one_message_of_each_id(
        self, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        assert state["outbox_relay"] is not None
        message = TaskMessage(id=uuid7(), name="kettle.boil", payload={})
        for _ in range(2):
            await store(session, message)

        assert (await session.scalars(select(OutboxMessage.id))).all() == [message.id]


async def claimed(session: AsyncSession, now: datetime) -> list[str]:
    found = await claim(session, now, until=now + timedelta(seconds=30), limit=2)
    return [row.message["name"] for row in found]


class TestClaim:
    async def test_takes_the_oldest_and_nobody_else_does_until_the_lease_is_over(
        self, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        assert state["outbox_relay"] is not None
        for age in (1, 3, 2):
            at = NOW - timedelta(seconds=age)
            row = OutboxMessage(id=uuid7(), message={"name": f"{age} s"}, stored_at=at, due_at=at)
            session.add(row)
        await session.flush()

        assert await claimed(session, NOW) == ["3 s", "2 s"]
        assert await claimed(session, NOW) == ["1 s"]
        assert await claimed(session, NOW + timedelta(seconds=29)) == []
        assert await claimed(session, NOW + timedelta(seconds=30)) == ["3 s", "2 s"]

    async def test_finds_at_once_what_was_released(
        self, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        assert state["outbox_relay"] is not None
        row = OutboxMessage(id=uuid7(), message={"name": "it"}, stored_at=NOW, due_at=NOW)
        session.add(row)
        await session.flush()
        assert await claimed(session, NOW) == ["it"]

        await release(session, [row.id], NOW)

        assert await claimed(session, NOW) == ["it"]
