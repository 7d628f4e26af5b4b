import asyncio
import os
import re
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner, Result
from uuid_utils.compat import UUID, uuid7

from app.bootstrap.lifespan import open_features
from app.core.feature import State
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.outbox.commands import build_commands
from app.infrastructure.outbox.models import OutboxMessage
from app.infrastructure.outbox.settings import OutboxSettings
from tests.fixtures.celery import until

from .post import count, features, settings_for

Job = Callable[[State], Awaitable[Any]]


class Beside:
    """Runs a job with an outbox open."""

    def __init__(self, database_settings: DatabaseSettings, broker_url: str) -> None:
        self.features = features(database_settings, settings_for(broker_url))
        self.companion: Job | None = None

    def run(self, job: Job, *, works: bool = False) -> Any:  # noqa: ANN401
        async def inside() -> Any:  # noqa: ANN401
            async with open_features(self.features, works=works) as state:
                beside = [] if self.companion is None else [self.companion(state)]
                found, *_ = await asyncio.gather(job(state), *beside)
                return found

        return asyncio.run(inside())


@pytest.fixture
def beside(database_settings: DatabaseSettings, broker_url: str) -> Any:  # noqa: ANN401
    beside = Beside(database_settings, broker_url)
    yield beside
    beside.companion = None

    async def clear(state: State) -> None:
        async with state["database"].transaction() as session:
            await session.execute(delete(OutboxMessage))

    beside.run(clear)


def add(beside: Beside, *, age_seconds: float, **values: object) -> UUID:
    at = datetime.now(UTC) - timedelta(seconds=age_seconds)
    message = {"id": str(uuid7()), "name": "kettle.boil", "payload": {"cup": "hunter2"}}
    row = OutboxMessage(id=uuid7(), message=message, stored_at=at, due_at=at, **values)

    async def store(state: State) -> None:
        async with state["database"].transaction() as session:
            session.add(row)

    beside.run(store)
    return row.id


def run(beside: Beside, *arguments: str) -> Result:
    return CliRunner().invoke(build_commands(OutboxSettings()), arguments, obj=beside)


class TestStatus:
    def test_of_an_empty_outbox_is_fine(self, beside: Beside) -> None:
        result = run(beside, "status")

        assert (result.exit_code, result.output) == (0, "0 waiting, the oldest for 0 s.\n")

    def test_counts_what_waits(self, beside: Beside) -> None:
        add(beside, age_seconds=20)
        add(beside, age_seconds=3)
        result = run(beside, "status")

        assert result.exit_code == 0
        assert re.fullmatch(r"2 waiting, the oldest for [23]\d s\.\n", result.output)

    def test_fails_if_it_is_too_long_and_names_what_was_refused_without_its_payload(
        self, beside: Beside
    ) -> None:
        row_id = add(beside, age_seconds=120, attempts=3, error="EncodeError")
        result = run(beside, "status")

        assert result.exit_code == 1
        first, second = result.output.splitlines()
        assert re.fullmatch(r"1 waiting, the oldest for 1[23]\d s\.", first)
        assert second.startswith(f"{row_id}  20")
        assert second.endswith("+00:00  kettle.boil  EncodeError  attempts=3")


class TestDrop:
    def test_forgets_messages(self, beside: Beside) -> None:
        row_id, _ = add(beside, age_seconds=1), add(beside, age_seconds=1)
        result = run(beside, "drop", str(row_id))

        assert (result.exit_code, result.output) == (0, "1 dropped.\n")
        assert run(beside, "status").output.startswith("1 waiting")

    def test_tells_of_those_that_are_not_there(self, beside: Beside) -> None:
        result = run(beside, "drop", str(uuid7()))

        assert (result.exit_code, result.stdout) == (1, "0 dropped.\n")
        assert result.stderr == "The others are not there.\n"


class TestRelay:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_sends_what_waits_until_it_is_stopped(
        self, beside: Beside, number: signal.Signals
    ) -> None:
        add(beside, age_seconds=1)

        async def stop(state: State) -> None:
            async def look() -> bool:
                return await count(state["database"]) == 0

            await until(look)
            os.kill(os.getpid(), number)

        beside.companion = stop

        assert run(beside, "relay").exit_code == 0
