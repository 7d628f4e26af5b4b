from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from app.cli import Runner
from app.core.feature import State
from app.modules.auth.commands import commands
from app.modules.auth.models import LoginSession
from app.modules.auth.service import account_limit
from app.modules.auth.sessions import LoginSessions
from app.modules.auth.steps import Login
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.throttle.service import Throttle
from app.modules.user.models import User

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(runner: Runner) -> Command:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(commands, arguments, obj=runner)
        return result.exit_code, result.output

    return run


async def _register(state: State) -> User:
    async with state["database"].transaction() as session:
        user = User(name="Ada", username="ada", email="ada@example.com")
        session.add(user)
    return user


async def _lock(state: State) -> None:
    user = await _register(state)
    throttle = Throttle(state["database"], state["events"])
    limit = account_limit(state["auth_settings"])
    with pytest.raises(TooManyAttemptsError):
        for _ in range(limit.most + 1):
            await throttle.take(limit, str(user.id))


class TestUnlock:
    def test_lets_in_again(self, runner: Runner, command: Command) -> None:
        runner.run(_lock)

        first, second = command("unlock", "Ada@example.com"), command("unlock", "ada")

        assert first[0] == second[0] == 0
        assert first[1].endswith("ada can log in.\n")
        assert second[1].endswith("ada had no lock.\n")

    def test_tells_that_there_is_no_such_account(self, command: Command) -> None:
        assert command("unlock", "bob") == (1, "No account has the name or address 'bob'.\n")


class TestEndSessions:
    def test_ends_all(self, runner: Runner, command: Command) -> None:
        runner.run(_log_in)

        code, output = command("end-sessions", "ada")

        assert code == 0
        assert output.endswith("ada is logged out everywhere.\n")
        assert runner.run(_live_sessions) == 0

    def test_ends_those_of_everybody(self, runner: Runner, command: Command) -> None:
        runner.run(_log_in)

        code, output = command("end-sessions", "--all")

        assert code == 0
        assert output.endswith("1 session(s) ended.\n")
        assert runner.run(_live_sessions) == 0

    def test_tells_that_there_is_no_such_account(self, command: Command) -> None:
        assert command("end-sessions", "bob")[0] == 1

    @pytest.mark.parametrize("arguments", [(), ("ada", "--all")])
    def test_asks_for_one_of_both(self, command: Command, arguments: tuple[str, ...]) -> None:
        assert command("end-sessions", *arguments) == (2, "Name an account, or give --all.\n")


async def _log_in(state: State) -> None:
    user = await _register(state)
    async with state["database"].transaction() as session:
        sessions = LoginSessions(session, state["events"], state["auth_settings"])
        await sessions.open(Login(user_id=user.id, methods=frozenset({"pwd"}), grant="token"))


async def _live_sessions(state: State) -> int:
    async with state["database"].reading() as session:
        statement = select(func.count()).where(LoginSession.revoked_at.is_(None))
        return int(await session.scalar(statement) or 0)
