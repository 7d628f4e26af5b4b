"""Sending what was stored, to real brokers that come and go."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DatabaseError
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from app.bootstrap.lifespan import open_features
from app.infrastructure.celery.settings import CelerySettings
from app.infrastructure.celery.tasks import TaskMessage
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.outbox import relay
from app.infrastructure.outbox.models import OutboxMessage
from app.infrastructure.outbox.settings import OutboxSettings
from app.infrastructure.outbox.store import store
from tests.fixtures.celery import BROKERS, Server, until, until_true, waiting, wire_to

from .post import (
    EAGER,
    NEVER,
    boil_cups,
    celery_for,
    count,
    features,
    filled,
    received,
    settings_for,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def own_broker(tmp_path: Path) -> Generator[Server]:
    """One that can be stopped and started."""
    server: Server = import_module(f"tests.fixtures.{BROKERS[-1]}").open_broker(tmp_path)
    yield server
    server.stop()


async def stored(database: Database, number: int) -> set[str]:
    """Messages that another process left behind; the ids of their tasks."""
    messages = [
        TaskMessage(id=uuid7(), name="kettle.boil", payload={"cup": str(it)})
        for it in range(number)
    ]
    async with database.transaction() as session:
        for message in messages:
            await store(session, message)
    return {str(message.id) for message in messages}


async def emptied(database: Database) -> None:
    async def look() -> bool:
        return await count(database) == 0

    await until(look)


async def attempts(database: Database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.max(OutboxMessage.attempts))) or 0


async def one_has_failed(database: Database) -> None:
    async def look() -> int:
        return await attempts(database)

    await until(look)


class TestServing:
    async def test_sends_at_once_what_it_stored(
        self, each_broker: Server, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(each_broker.url)
        celery = celery_for(each_broker.url, settings)
        async with open_features(features(database_settings, settings), serves=True) as state:
            ids = await boil_cups(state, "tea", "coffee")
            await emptied(database)

        assert await asyncio.to_thread(received, celery) == [str(it) for it in ids]
        celery.close()

    async def test_sends_what_others_left_behind(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        celery = celery_for(broker_url, settings)
        async with open_features(features(database_settings, settings, EAGER), serves=True):
            ids = await stored(database, 3)
            await emptied(database)

        assert set(await asyncio.to_thread(received, celery)) == ids
        celery.close()

    async def test_sends_before_it_stops_what_it_stored(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        async with open_features(features(database_settings, settings), serves=True) as state:
            await boil_cups(state, "tea")

        assert await count(database) == 0

    async def test_stops_in_time_and_leaves_the_rest_to_others(
        self,
        broker_url: str,
        database_settings: DatabaseSettings,
        database: Database,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(relay, "_CLOSE_SECONDS", 0.01)
        scheme, _, _ = broker_url.partition(":")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/0"
            settings = CelerySettings(broker_url=SecretStr(url), dispatch_timeout_seconds=1)
            parts = features(database_settings, settings)
            async with open_features(parts, serves=True) as state:
                await boil_cups(state, "tea")
                peer, _ = await asyncio.to_thread(silent.accept)
            peer.close()

        async with database.reading() as session:
            (row,) = await session.scalars(select(OutboxMessage))
        assert (row.attempts, row.error) == (0, None)

    async def test_does_the_tasks_itself_without_a_broker(
        self, kettle_settings: DatabaseSettings, database: Database
    ) -> None:
        parts = features(kettle_settings, CelerySettings())
        async with open_features(parts, serves=True) as state:
            await boil_cups(state, "alone")

            assert await filled(database, "alone") == [1]
        assert await count(database) == 0


class TestNotServing:
    async def test_sends_with_the_commit_what_it_stored(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        celery = celery_for(broker_url, settings)
        async with open_features(features(database_settings, settings)) as state:
            ids = await boil_cups(state, "tea", "coffee")

            assert await count(database) == 0
            assert await asyncio.to_thread(received, celery) == [str(it) for it in ids]
        celery.close()


class TestOutage:
    async def test_loses_nothing_while_the_broker_is_stopped_and_started(
        self, own_broker: Server, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(own_broker.url)
        celery = celery_for(own_broker.url, settings)
        parts = features(database_settings, settings, EAGER)
        with capture_logs() as lines:
            async with open_features(parts, serves=True) as state:
                before = await boil_cups(state, "before")
                await emptied(database)
                assert await asyncio.to_thread(received, celery) == [str(before[0])]
                own_broker.stop()
                meanwhile = [*await boil_cups(state, "one"), *await boil_cups(state, "two")]
                await one_has_failed(database)
                assert await count(database) == 2
                await asyncio.to_thread(own_broker.start)
                await emptied(database)

        # A broker that was killed may bring back what was taken from it.
        assert set(await asyncio.to_thread(received, celery)) >= {str(it) for it in meanwhile}
        assert [line["event"] for line in lines][:1] == ["outbox waits"]
        assert [line["event"] for line in lines][-1:] == ["outbox goes on"]
        celery.close()

    async def test_loses_nothing_where_the_way_to_the_broker_is_cut_in_between(
        self, each_broker: Server, database_settings: DatabaseSettings, database: Database
    ) -> None:
        async with wire_to(each_broker.url) as wire:
            settings = settings_for(wire.url.get_secret_value())
            celery = celery_for(each_broker.url, settings)
            ids = await stored(database, 120)
            async with open_features(features(database_settings, settings, EAGER), serves=True):
                await until_true(lambda: waiting(celery) > 0)
                await wire.cut()
                # If all had arrived before.
                ids |= await stored(database, 1)
                await one_has_failed(database)
                await wire.mend()
                await emptied(database)

        assert set(await asyncio.to_thread(received, celery)) == ids
        celery.close()

    async def test_of_one_message_lets_the_others_pass(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        (broken,) = await stored(database, 1)
        await _break(database, broken)
        ids = await stored(database, 2)
        slow = EAGER.model_copy(update={"retry_max_wait_seconds": NEVER})
        settings = settings_for(broker_url)
        celery = celery_for(broker_url, settings)
        with capture_logs() as lines:
            async with open_features(features(database_settings, settings, slow), serves=True):
                await until_true(lambda: waiting(celery) == 2)

        assert set(await asyncio.to_thread(received, celery)) == ids
        assert await attempts(database) >= 1
        assert lines[0] == {
            "event": "outbox waits",
            "error": "ValidationError",
            "log_level": "warning",
        }
        assert "hunter2" not in str(lines)
        celery.close()


async def _break(database: Database, message_id: str) -> None:
    """As another version of the service may have stored it."""
    async with database.transaction() as session:
        statement = update(OutboxMessage).where(OutboxMessage.id == UUID(message_id))
        await session.execute(statement.values(message={"word": "hunter2"}))


class TestSeveral:
    async def test_send_each_message_once(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        celery = celery_for(broker_url, settings)
        ids = await stored(database, 120)
        async with (
            open_features(features(database_settings, settings), serves=True),
            open_features(features(database_settings, settings), serves=True),
        ):
            await emptied(database)

        sent = await asyncio.to_thread(received, celery)
        assert len(sent) == 120
        assert set(sent) == ids
        celery.close()

    async def test_take_no_message_for_longer_than_their_lease(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        short = OutboxSettings(poll_interval_seconds=NEVER, lease_seconds=0.000_001)
        ids = await stored(database, 3)
        celery = celery_for(broker_url, settings)
        async with open_features(features(database_settings, settings, short), serves=True):
            await emptied(database)

        assert set(await asyncio.to_thread(received, celery)) == ids
        celery.close()


class TestDatabaseOutage:
    async def test_ends_no_relay(
        self, broker_url: str, database_settings: DatabaseSettings, database: Database
    ) -> None:
        settings = settings_for(broker_url)
        with capture_logs() as lines:

            async def look() -> bool:
                return bool(lines)

            await _rename(database, "outbox", "away")
            try:
                parts = features(database_settings, settings, EAGER)
                async with open_features(parts, serves=True):
                    await until(look)
                    await _rename(database, "away", "outbox")
                    await stored(database, 1)
                    await emptied(database)
            finally:
                await _rename(database, "away", "outbox")

        assert [line["event"] for line in lines] == ["outbox waits", "outbox goes on"]


async def _rename(database: Database, name: str, other: str) -> None:
    with suppress(DatabaseError):
        async with database.transaction() as session:
            await session.execute(text(f"ALTER TABLE {name} RENAME TO {other}"))
