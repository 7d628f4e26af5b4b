import asyncio
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

from app.bootstrap.lifespan import open_features
from app.core.feature import State
from app.infrastructure.celery.commands import build_commands
from app.infrastructure.celery.dead_letters import keep
from app.infrastructure.celery.models import DeadLetter, TaskExecution
from app.infrastructure.celery.settings import BEAT, WORKER, CelerySettings
from app.infrastructure.celery.tasks import TaskMessage
from app.infrastructure.database.settings import DatabaseSettings

from .kettle import features

SETTINGS = CelerySettings()


class Beside:
    """Runs a job with the database and the kettle open."""

    def __init__(self, database_settings: DatabaseSettings) -> None:
        self.features = features(database_settings, SETTINGS)

    def run(self, job: Callable[[State], Awaitable[Any]]) -> Any:  # noqa: ANN401
        async def inside() -> Any:  # noqa: ANN401
            async with open_features(self.features) as state:
                return await job(state)

        return asyncio.run(inside())

    def transact(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:  # noqa: ANN401
        async def job(state: State) -> Any:  # noqa: ANN401
            async with state["database"].transaction() as session:
                return await work(session)

        return self.run(job)


@pytest.fixture
def beside(database_settings: DatabaseSettings) -> Generator[Beside]:
    beside = Beside(database_settings)
    yield beside

    async def clear(session: AsyncSession) -> None:
        for table in (DeadLetter, TaskExecution):
            await session.execute(delete(table))

    beside.transact(clear)


@pytest.fixture
def letters(beside: Beside) -> list[TaskMessage]:
    """Two dead letters, the older one first."""
    messages = [TaskMessage(id=uuid7(), name="database.purge", payload={}) for _ in range(2)]

    async def store(session: AsyncSession) -> None:
        for message in messages:
            await keep(session, message, error="BrokenError", code="c", attempts=2)

    beside.transact(store)
    return messages


def run(beside: object, *arguments: str, settings: CelerySettings = SETTINGS) -> Result:
    return CliRunner().invoke(build_commands(settings), arguments, obj=beside)


class TestDeadLetters:
    def test_are_listed_without_their_payloads(
        self, beside: Beside, letters: list[TaskMessage]
    ) -> None:
        result = run(beside, "dead-letters", "list")

        lines = result.output.splitlines()
        assert [line.split()[0] for line in lines] == [str(letter.id) for letter in letters]
        assert lines[0].endswith("database.purge  BrokenError  attempts=2")

    def test_are_sent_again(self, beside: Beside, letters: list[TaskMessage]) -> None:
        result = run(beside, "dead-letters", "requeue", "--all")

        # After what the tasks have logged.
        assert (result.exit_code, result.output.splitlines()[-1]) == (0, "2 requeued.")
        assert run(beside, "dead-letters", "list").output == ""

        async def executed(session: AsyncSession) -> bool:
            return all([await session.get(TaskExecution, str(it.id)) for it in letters])

        assert beside.transact(executed)

    def test_are_dropped(self, beside: Beside, letters: list[TaskMessage]) -> None:
        result = run(beside, "dead-letters", "drop", str(letters[0].id))

        assert (result.exit_code, result.output) == (0, "1 dropped.\n")
        assert str(letters[1].id) in run(beside, "dead-letters", "list").output

    def test_that_are_not_there_are_named(self, beside: Beside) -> None:
        missing = str(uuid7())
        result = run(beside, "dead-letters", "drop", missing)

        assert result.exit_code == 1
        assert result.stderr == f"Not found: {missing}\n"

    @pytest.mark.parametrize("arguments", [[], ["--all", str(uuid7())]])
    def test_are_never_touched_by_mistake(self, beside: Beside, arguments: list[str]) -> None:
        result = run(beside, "dead-letters", "drop", *arguments)

        assert (result.exit_code, result.stderr) == (2, "Name the ids, or say --all.\n")


class TestHealth:
    @pytest.mark.parametrize("name", [WORKER, BEAT])
    def test_needs_a_recent_sign_of_life(self, name: str, tmp_path: Path) -> None:
        settings = CelerySettings(heartbeat_folder=tmp_path)
        dead = run(None, f"{name}-health", settings=settings)
        settings.heartbeat(name).touch()
        alive = run(None, f"{name}-health", settings=settings)

        assert (dead.exit_code, dead.stderr) == (1, f"No sign of life of a {name}.\n")
        assert alive.exit_code == 0
