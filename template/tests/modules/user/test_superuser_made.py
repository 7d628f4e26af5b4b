from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.cli import Runner
from app.core.feature import State
from app.modules.user.commands import commands
from app.modules.user.models import User

Job = Callable[[AsyncSession], Awaitable[Any]]


def in_transaction(runner: Runner, job: Job) -> None:
    async def run(state: State) -> None:
        async with state["database"].transaction() as session:
            await job(session)

    runner.run(run)


def promotions(runner: Runner) -> int:
    """How many of them the command has recorded."""
    arguments = ["create-superuser", "--email", "ada@example.com", "--username", "ada"]
    env = {"SUPERUSER_PASSWORD": "correct horse battery"}
    with capture_logs() as lines:
        result = CliRunner().invoke(commands, arguments, obj=runner, env=env)
    assert result.exit_code == 0
    return sum(line.get("name") == "superuser_made" for line in lines)


def test_a_new_superuser_is_recorded(runner: Runner) -> None:
    assert promotions(runner) == 1


def test_one_that_is_there_already_is_not(runner: Runner) -> None:
    promotions(runner)

    assert promotions(runner) == 0


@pytest.mark.parametrize("lost", ["is_superuser", "is_active"])
def test_a_promotion_is_recorded(runner: Runner, lost: str) -> None:
    promotions(runner)

    async def demote(session: AsyncSession) -> None:
        await session.execute(update(User).values({lost: False}))

    in_transaction(runner, demote)

    assert promotions(runner) == 1
