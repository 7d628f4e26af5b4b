from sqlalchemy import select
from typer.testing import CliRunner

from app.cli import Runner
from app.core.feature import State
from app.modules.user.commands import commands
from app.modules.user.models import User

ADA = ["create-superuser", "--email", "ada@example.com", "--username", "ada"]


def run(runner: Runner, password: str, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        commands, arguments, obj=runner, env={"SUPERUSER_PASSWORD": password}
    )
    return result.exit_code, result.output


async def _superusers(state: State) -> list[str]:
    async with state["database"].reading() as session:
        rows = await session.scalars(select(User.username).where(User.is_superuser))
        return list(rows)


def test_registers_a_superuser(runner: Runner) -> None:
    code, output = run(runner, "correct horse battery", *ADA)

    assert code == 0
    assert output.endswith("ada is registered as a superuser.\n")
    assert runner.run(_superusers) == ["ada"]


def test_can_be_repeated(runner: Runner) -> None:
    run(runner, "correct horse battery", *ADA)
    code, output = run(runner, "another long password", *ADA)

    assert code == 0
    assert output == "ada is a superuser; the password was left as it is.\n"
    assert runner.run(_superusers) == ["ada"]


def test_refuses_what_registration_refuses(runner: Runner) -> None:
    code, output = run(runner, "short", *ADA)

    assert code == 2
    assert "password: Value error, must have 12 to 128 characters" in output
    assert runner.run(_superusers) == []
