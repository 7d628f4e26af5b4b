from collections.abc import Callable

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import Runner
from app.core.feature import State
from app.modules.book.commands import commands
from app.modules.book.models import Book
from app.modules.user.models import User

Seed = Callable[[str], tuple[int, str]]


@pytest.fixture
def seed(runner: Runner) -> Seed:
    def run(owner: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands, ["seed", owner], obj=runner)
        return result.exit_code, result.output

    return run


async def _register(state: State) -> None:
    async with state["database"].transaction() as session:
        session.add(User(name="Ada", username="ada", email="ada@example.com"))


async def _titles(state: State) -> list[str]:
    async with state["database"].reading() as session:
        return sorted(await session.scalars(select(Book.title)))


def test_gives_an_account_some_books(runner: Runner, seed: Seed) -> None:
    runner.run(_register)

    assert seed("Ada") == (0, "3 book(s) added.\n")
    assert runner.run(_titles) == ["Emma", "Frankenstein", "Middlemarch"]


def test_can_be_repeated(runner: Runner, seed: Seed) -> None:
    runner.run(_register)
    seed("ada")

    assert seed("ada@example.com") == (0, "0 book(s) added.\n")
    assert len(runner.run(_titles)) == 3


def test_tells_that_there_is_no_such_account(seed: Seed) -> None:
    assert seed("bob") == (1, "No account has the name or address 'bob'.\n")
