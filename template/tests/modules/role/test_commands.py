from collections.abc import Generator
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.bootstrap.settings import Settings
from app.cli import Runner
from app.core.feature import State
from app.infrastructure.database.base import Base
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.role.commands import commands
from app.modules.role.models import Role, RolePermission, UserRole
from app.modules.user.models import User
from app.modules.user.permissions import Permission


@pytest.fixture
def runner(settings: Settings) -> Generator[Runner]:
    runner = Runner(settings)

    async def add_ada(state: State) -> None:
        async with state["database"].transaction() as session:
            session.add(User(name="Ada", username="ada", email="ada@example.com"))

    async def clear(state: State) -> None:
        async with state["database"].transaction() as session:
            for table in reversed(Base.metadata.sorted_tables):
                await session.execute(table.delete())

    runner.run(add_ada)
    yield runner
    runner.run(clear)


def run(runner: Runner, *arguments: str) -> tuple[int, str]:
    # On the terminal the log would stand between the lines.
    with capture_logs():
        result = CliRunner().invoke(commands, arguments, obj=runner)
    return result.exit_code, result.output


def stored(runner: Runner, statement: Any) -> list[Any]:  # noqa: ANN401
    async def read(state: State) -> list[Any]:
        async with state["database"].reading() as session:
            return list(await session.scalars(statement))

    return runner.run(read)


def permissions_of(runner: Runner, name: str) -> list[Any]:
    statement = select(RolePermission.permission).join(Role).where(Role.name == name)
    return stored(runner, statement.order_by(RolePermission.permission))


class TestSeed:
    def test_makes_the_default_roles(self, runner: Runner) -> None:
        code, output = run(runner, "seed")

        async def declared(state: State) -> list[str]:
            return sorted(it.name for it in state["extensions"].of(Permission) if not it.is_general)

        assert (code, output) == (0, "admin: made.\nmoderator: made.\n")
        assert stored(runner, select(Role.rank).order_by(Role.rank)) == [40, 80]
        assert permissions_of(runner, "admin") == runner.run(declared)
        assert permissions_of(runner, "moderator") == ["roles:read", "users:read"]

    def test_leaves_what_exists_as_it_is(self, runner: Runner) -> None:
        run(runner, "seed")
        self._take(runner, "moderator", "users:read")

        code, output = run(runner, "seed")

        assert (code, output) == (0, "admin: left as it is.\nmoderator: left as it is.\n")
        assert permissions_of(runner, "moderator") == ["roles:read"]

    def test_completes_what_exists_when_told_to(self, runner: Runner) -> None:
        run(runner, "seed")
        self._take(runner, "moderator", "users:read")

        code, output = run(runner, "seed", "--complete")

        assert (code, output) == (0, "admin: left as it is.\nmoderator: added users:read.\n")
        assert permissions_of(runner, "moderator") == ["roles:read", "users:read"]

    def test_fails_where_nothing_can_be_stored(
        self, settings: Settings, fresh_database_settings: DatabaseSettings
    ) -> None:
        """A deployment that runs it stops there."""
        without_tables = settings.model_copy(update={"database": fresh_database_settings})

        code, _ = run(Runner(without_tables), "seed")

        assert code == 1

    def _take(self, runner: Runner, role: str, permission: str) -> None:
        async def take(state: State) -> None:
            async with state["database"].transaction() as session:
                entry = await session.scalar(
                    select(RolePermission)
                    .join(Role)
                    .where(Role.name == role, RolePermission.permission == permission)
                )
                await session.delete(entry)

        runner.run(take)


class TestGrant:
    @pytest.mark.parametrize("identifier", ["ada", "ADA", "Ada@Example.com"])
    def test_gives_and_takes_a_role(self, runner: Runner, identifier: str) -> None:
        run(runner, "seed")

        assert run(runner, "grant", identifier, "admin") == (0, "ada has the role admin.\n")
        assert run(runner, "grant", identifier, "admin") == (0, "ada has the role admin.\n")
        assert len(stored(runner, select(UserRole.role_id))) == 1
        for _ in range(2):
            assert run(runner, "revoke", identifier, "admin") == (
                0,
                "ada does not have the role admin.\n",
            )
        assert stored(runner, select(UserRole.role_id)) == []

    @pytest.mark.parametrize("command", ["grant", "revoke"])
    def test_fails_for_who_or_what_does_not_exist(self, runner: Runner, command: str) -> None:
        assert run(runner, command, "bob", "admin") == (
            1,
            "No account has the name or address 'bob'.\n",
        )
        assert run(runner, command, "ada", "admin") == (1, "No role has the name 'admin'.\n")


class TestList:
    def test_has_the_highest_rank_first(self, runner: Runner) -> None:
        assert run(runner, "list") == (0, "There are no roles yet.\n")
        run(runner, "seed")
        run(runner, "grant", "ada", "moderator")

        assert run(runner, "list") == (0, " 80  admin  0 user(s)\n 40  moderator  1 user(s)\n")
