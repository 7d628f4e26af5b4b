import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import APIRouter
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner

from app.bootstrap.lifespan import open_features
from app.core.feature import Feature, State
from app.infrastructure.cache.commands import build_commands
from app.infrastructure.cache.dependencies import CacheDep
from app.infrastructure.cache.feature import feature
from app.infrastructure.cache.settings import CacheSettings
from app.infrastructure.redis import feature as redis
from app.infrastructure.redis.settings import RedisSettings
from app.modules.health import feature as health
from tests.fixtures.redis import RedisServer
from tests.support import FixedSettings, serving

from .samples import LONDON, Weather, degrees, opened

router = APIRouter()


@router.get("/weather")
async def read_weather(cache: CacheDep) -> Weather:
    return await cache.get_or_set(LONDON, degrees(20))


class TestFeature:
    @pytest.mark.anyio
    async def test_answers_without_the_server_and_is_degraded(
        self, redis_server: RedisServer
    ) -> None:
        """With a server of its own, which the readiness of Redis asks too."""
        settings = RedisSettings()
        features = [
            redis.feature(settings),
            feature(CacheSettings(redis_url=SecretStr(redis_server.url)), settings),
        ]
        features.append(health.feature(features))
        features.append(Feature(name="weather", routers=(router,)))
        async with serving(FixedSettings(environment="test"), features) as client:
            seen = []
            for change in (None, redis_server.stop, redis_server.start):
                if change is not None:
                    change()
                answer = await client.get("weather")
                ready = await client.get("http://test/health/ready")
                seen.append((answer.status_code, ready.status_code, ready.json()["status"]))

        assert seen == [(200, 200, "ok"), (200, 200, "degraded"), (200, 200, "ok")]


def invoke(redis_settings: RedisSettings, *arguments: str) -> tuple[int, str]:
    features = [redis.feature(redis_settings), feature(CacheSettings(), redis_settings)]

    class Opened:
        """Runs a command as `Runner` does, with these features alone."""

        def run(self, job: Callable[[State], Awaitable[object]]) -> object:
            async def opened() -> object:
                async with open_features(features) as state:
                    return await job(state)

            return asyncio.run(opened())

    commands = build_commands(is_shared=redis_settings.url is not None)
    result = CliRunner().invoke(commands, list(arguments), obj=Opened())
    return result.exit_code, result.output


class TestCommands:
    def test_forget_by_tag_or_everything(self, real_redis_settings: RedisSettings) -> None:
        async def read(*values: int) -> int:
            async with opened(real_redis_settings) as cache:
                value = await cache.get_or_set(LONDON, degrees(*values), tags=["uk"])
            return value.degrees

        seen = [asyncio.run(read(1))]
        for number, arguments in enumerate(
            (["clear", "--tag", "france"], ["clear", "--tag", "uk", "--tag", "x"], ["clear"])
        ):
            assert invoke(real_redis_settings, *arguments) == (0, "Forgotten.\n")
            seen.append(asyncio.run(read(number + 2)))

        assert seen == [1, 1, 3, 4]

    def test_tell_whether_the_cache_answers(self, real_redis_settings: RedisSettings) -> None:
        assert invoke(real_redis_settings, "ping") == (0, "The cache answers.\n")

    @pytest.mark.parametrize("command", ["ping", "clear"])
    def test_fail_where_it_does_not(self, tmp_path: Path, command: str) -> None:
        nowhere = RedisSettings(url=SecretStr(f"unix://{tmp_path}/none"))

        code, output = invoke(nowhere, command)

        assert code == 1
        assert output.endswith(
            "The cache does not answer. Is Redis running, and is its URL right?\n"
        )

    @pytest.mark.parametrize("command", ["ping", "clear"])
    def test_cannot_reach_the_memory_of_a_process(self, command: str) -> None:
        assert invoke(RedisSettings(), command) == (
            1,
            "Without REDIS_URL each process has a cache of its own: restart the service.\n",
        )


class TestSettings:
    def test_refuse_an_address_that_is_no_redis(self) -> None:
        with pytest.raises(ValidationError, match="must begin with redis://"):
            CacheSettings(redis_url=SecretStr("http://h"))

    def test_refuse_nothing_where_deployed(self) -> None:
        """Redis does: its URL is asked for."""
        assert CacheSettings().refusals() == []
