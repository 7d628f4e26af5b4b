from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.bootstrap.settings import Settings
from app.cli import Runner
from app.core.feature import State
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.tier.commands import commands
from app.modules.tier.models import RateLimit, Tier, UserTier
from app.modules.user.models import User


@pytest.fixture(autouse=True)
def _ada(runner: Runner) -> None:
    async def add(state: State) -> None:
        async with state["database"].transaction() as session:
            session.add(User(name="Ada", username="ada", email="ada@example.com"))

    runner.run(add)


def run(runner: Runner, *arguments: str) -> tuple[int, str]:
    # On the terminal the log would stand between the lines.
    with capture_logs():
        result = CliRunner().invoke(commands, arguments, obj=runner)
    return result.exit_code, result.output


def stored(runner: Runner, statement: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
    async def read(state: State) -> list[tuple[Any, ...]]:
        async with state["database"].reading() as session:
            return [tuple(row) for row in await session.execute(statement)]

    return runner.run(read)


class TestSeed:
    def test_makes_free_and_pro_once(self, runner: Runner) -> None:
        assert run(runner, "seed") == (0, "free: made.\npro: made.\n")
        assert run(runner, "seed") == (0, "free: left as it is.\npro: left as it is.\n")

        assert sorted(stored(runner, select(Tier.name))) == [("free",), ("pro",)]
        columns = (RateLimit.name, RateLimit.path, RateLimit.limit, RateLimit.period)
        assert stored(runner, select(*columns)) == [("Every route", "*", 3000, 60)]

    def test_fails_where_nothing_can_be_stored(
        self, settings: Settings, fresh_database_settings: DatabaseSettings
    ) -> None:
        """A deployment that runs it stops there."""
        without_tables = settings.model_copy(update={"database": fresh_database_settings})

        code, _ = run(Runner(without_tables), "seed")

        assert code == 1


class TestGrant:
    def test_gives_and_takes_a_tier(self, runner: Runner) -> None:
        run(runner, "seed")

        for identifier, name in (("ada", "free"), ("Ada@Example.com", "pro")):
            assert run(runner, "grant", identifier, name) == (0, f"ada has the tier {name}.\n")
        given = select(Tier.name).join(UserTier)
        assert stored(runner, given) == [("pro",)]
        assert run(runner, "revoke", "ADA") == (0, "ada has no tier of its own.\n")
        assert stored(runner, given) == []

    def test_fails_for_who_or_what_does_not_exist(self, runner: Runner) -> None:
        missing = "No account has the name or address 'bob'.\n"

        assert run(runner, "grant", "bob", "pro") == (1, missing)
        assert run(runner, "revoke", "bob") == (1, missing)
        assert run(runner, "grant", "ada", "pro") == (1, "No tier has the name 'pro'.\n")


class TestList:
    def test_counts_who_was_given_each(self, runner: Runner) -> None:
        assert run(runner, "list") == (0, "There are no tiers yet.\n")
        run(runner, "seed")
        run(runner, "grant", "ada", "pro")

        assert run(runner, "list") == (
            0,
            "free  0 user(s)  and all others\npro  1 user(s)\n",
        )
