from collections.abc import Generator

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from typer.testing import CliRunner

from app.bootstrap.settings import Settings
from app.cli import Runner
from app.core.feature import State
from app.infrastructure.database.base import Base
from app.infrastructure.security.settings import SecretSettings
from app.modules.auth.sessions import LoginSessions
from app.modules.two_factor.commands import commands
from app.modules.two_factor.models import TotpDevice
from app.modules.two_factor.service import TwoFactorService
from app.modules.user.models import CurrentUser
from tests.fixtures.auth import create_user

NEW = SecretStr("another key of at least 32 bytes for tests")


@pytest.fixture
def runner(settings: Settings) -> Generator[Runner]:
    runner = Runner(settings)
    yield runner

    async def clear(state: State) -> None:
        async with state["database"].transaction() as session:
            for table in reversed(Base.metadata.sorted_tables):
                await session.execute(table.delete())

    runner.run(clear)


def run(runner: Runner, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(commands, arguments, obj=runner)
    return result.exit_code, result.output


async def _ada(state: State) -> None:
    async with state["database"].write_sessions() as session:
        await create_user(session, username="ada", email="ada@example.com")


async def _with_second_factor(state: State) -> None:
    async with state["database"].write_sessions() as session:
        user = await create_user(session, username="ada", email="ada@example.com")
    current = CurrentUser(*(getattr(user, name) for name in CurrentUser._fields))
    async with state["database"].transaction() as session:
        sessions = LoginSessions(session, state["events"], state["auth_settings"])
        service = TwoFactorService(session, state["two_factor"], sessions, state["events"])
        await service.enrol(current)
        device = await service.devices.of(user.id)
        assert device is not None
        await service.activate(device, 1, keep=None)


async def _devices(state: State) -> int:
    async with state["database"].reading() as session:
        return len((await session.scalars(select(TotpDevice))).all())


class TestReset:
    @pytest.mark.parametrize("identifier", ["ada", "ADA@example.com"])
    def test_takes_the_second_factor_off(self, runner: Runner, identifier: str) -> None:
        runner.run(_with_second_factor)
        code, output = run(runner, "reset", identifier)

        assert code == 0
        assert output.endswith("ada logs in without a second factor now.\n")
        assert runner.run(_devices) == 0

    def test_says_when_there_was_none(self, runner: Runner) -> None:
        runner.run(_ada)

        assert run(runner, "reset", "ada") == (0, "ada had no second factor.\n")

    def test_refuses_an_unknown_name(self, runner: Runner) -> None:
        assert run(runner, "reset", "eve") == (1, "No account has the name or address 'eve'.\n")


class TestEncryptAnew:
    def test_uses_the_present_key(self, runner: Runner) -> None:
        runner.run(_with_second_factor)
        former = runner.settings.secret.key
        both = SecretSettings(key=NEW, previous_keys=(former,))
        rotated = Runner(runner.settings.model_copy(update={"secret": both}))
        alone = Runner(runner.settings.model_copy(update={"secret": SecretSettings(key=NEW)}))

        code, output = run(alone, "encrypt-anew")
        assert code == 1
        assert "1 secret(s) cannot be read" in output
        assert run(rotated, "encrypt-anew") == (0, "1 secret(s) encrypted anew.\n")
        assert run(alone, "encrypt-anew") == (0, "0 secret(s) encrypted anew.\n")
