import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from app.bootstrap.settings import Settings
from app.cli import Runner
from app.core.feature import State
from app.infrastructure.redis.settings import RedisSettings
from app.modules.notice_stream.commands import commands


def announce(runner: Runner) -> tuple[int, str]:
    # On the terminal the log would stand between the lines.
    with capture_logs():
        result = CliRunner().invoke(commands, ["announce", "Back soon"], obj=runner)
    return result.exit_code, result.output


class TestAnnounce:
    @pytest.fixture
    def connected(self, settings: Settings, real_redis_settings: RedisSettings) -> Runner:
        return Runner(settings.model_copy(update={"redis": real_redis_settings}))

    def test_tells_everybody(self, connected: Runner) -> None:
        async def follow(state: State) -> None:
            await state["notice_streams"].history.newest(["everybody"])

        async def told(state: State) -> list[str]:
            entries = await state["notice_streams"].history.all_of("everybody")
            return [it.data for it in entries if it.type == "announcement"]

        connected.run(follow)

        assert announce(connected) == (0, "Announced.\n")
        assert connected.run(told) == ['{"type":"announcement","text":"Back soon"}']

    def test_says_that_nobody_hears_without_redis(self, settings: Settings) -> None:
        assert announce(Runner(settings)) == (
            1,
            "Set REDIS_URL: no other process hears this one.\n",
        )
