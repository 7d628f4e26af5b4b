import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app.bootstrap.lifespan import open_features
from app.core.feature import State
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.events.commands import build_commands
from app.infrastructure.events.consumer import HEARTBEAT
from app.infrastructure.events.handlers import EventContext
from app.infrastructure.events.settings import EventsSettings
from app.infrastructure.heartbeat.heartbeat import Heartbeat
from app.infrastructure.redis.settings import RedisSettings

from .kettle import Cup, Service, at_boil, burst, features, pour, poured, until

NOWHERE = RedisSettings(url=SecretStr("redis://:hunter2@127.0.0.1:1/0"))


class Kitchen:
    """Runs commands, and jobs beside them, with the service open for each."""

    def __init__(self, database: DatabaseSettings, general: RedisSettings, folder: Path) -> None:
        self.settings = EventsSettings(
            heartbeat_folder=folder, max_deliveries=1, retry_wait_seconds=0.01
        )
        self.general = general
        self.handlers: list[object] = []
        self._database = database

    def run(self, job: Callable[[State], Awaitable[Any]], *, works: bool = False) -> Any:  # noqa: ANN401
        async def inside() -> Any:  # noqa: ANN401
            parts = features(self._database, self.general, self.settings, *self.handlers)
            async with open_features(parts, works=works) as state:
                return await job(state)

        return asyncio.run(inside())

    def do(self, job: Callable[[Service], Awaitable[Any]]) -> Any:  # noqa: ANN401
        return self.run(lambda state: job(Service(state, self.settings)))

    def command(self, *arguments: str) -> Result:
        return CliRunner().invoke(build_commands(self.settings, self.general), arguments, obj=self)


@pytest.fixture
def kitchen(
    teapot: Database,  # noqa: ARG001 (cleared after the test)
    database_settings: DatabaseSettings,
    real_redis_settings: RedisSettings,
    tmp_path: Path,
) -> Kitchen:
    return Kitchen(database_settings, real_redis_settings, tmp_path)


@pytest.fixture
def letters(kitchen: Kitchen) -> list[str]:
    """The ids of two dead letters, the older one first."""
    kitchen.handlers = [at_boil(burst)]

    async def fail(service: Service) -> list[str]:
        await service.boil("teaspoon", "ladle")
        async with service.consuming():

            async def look() -> bool:
                return len(await service.letters()) == 2

            await until(look)
        return [entry_id.decode() for entry_id, _ in await service.entries(service.keys.dead)]

    ids: list[str] = kitchen.do(fail)
    kitchen.handlers = [at_boil(pour)]
    return ids


class TestConsume:
    def test_finishes_what_it_does_when_it_is_told_to_stop(self, kitchen: Kitchen) -> None:
        is_alive: list[bool] = []

        async def stop(context: EventContext, cup: Cup) -> None:
            is_alive.append(Heartbeat(kitchen.settings.heartbeat_folder, HEARTBEAT).is_alive)
            os.kill(os.getpid(), signal.SIGTERM)
            # The signal arrives now.
            await asyncio.sleep(0)
            await pour(context, cup)

        kitchen.handlers = [at_boil(stop)]
        kitchen.do(lambda service: service.boil("1", "2"))

        done = kitchen.command("consume")

        async def left(service: Service) -> object:
            return await poured(service.database), await service.begun()

        assert (done.exit_code, done.exception) == (0, None)
        assert kitchen.do(left) == ([("1", 1)], [])
        assert is_alive == [True]
        assert not Heartbeat(kitchen.settings.heartbeat_folder, HEARTBEAT).is_alive

    def test_says_that_there_is_nothing_to_read_without_redis(self, kitchen: Kitchen) -> None:
        kitchen.general = RedisSettings()

        refused = kitchen.command("consume")

        assert refused.exit_code == 1
        assert refused.stderr == "REDIS_URL names no server: each process handles its own events.\n"


class TestConsumerHealth:
    @pytest.mark.parametrize(("age_seconds", "exit_code"), [(0, 0), (61, 1)])
    def test_looks_for_a_recent_sign_of_life(
        self, kitchen: Kitchen, tmp_path: Path, age_seconds: int, exit_code: int
    ) -> None:
        Heartbeat(tmp_path, HEARTBEAT).touch()
        at = time.time() - age_seconds
        os.utime(tmp_path / "events-consumer.heartbeat", (at, at))

        assert kitchen.command("consumer-health").exit_code == exit_code

    def test_fails_where_no_consumer_was_started(self, kitchen: Kitchen) -> None:
        health = kitchen.command("consumer-health")

        assert (health.exit_code, health.stderr) == (1, "No sign of life of a consumer.\n")


class TestDeadLetters:
    def test_are_listed_without_their_events(self, kitchen: Kitchen, letters: list[str]) -> None:
        listed = kitchen.command("dead-letters", "list")

        lines = listed.stdout.splitlines()
        assert [line.split()[0] for line in lines] == letters
        stream = f"{kitchen.general.prefix}:events"
        for line in lines:
            failure = ["event.failed", "BrokenError", "pour", "attempts=1"]
            assert line.split()[2:] == [stream, *failure]
        assert "ladle" not in listed.output

    def test_are_handled_when_they_are_requeued(self, kitchen: Kitchen, letters: list[str]) -> None:
        requeued = kitchen.command("dead-letters", "requeue", "--all")

        async def handle(service: Service) -> object:
            async with service.consuming():
                await service.done("ladle")
            kept = await service.entries(service.keys.retry), await service.letters()
            # Other services get nothing twice.
            return await poured(service.database), kept, len(await service.entries())

        assert requeued.stdout == "2 requeued.\n"
        assert len(letters) == 2
        assert kitchen.do(handle) == ([("ladle", 1), ("teaspoon", 1)], ([], []), 2)

    def test_are_forgotten_one_by_one(self, kitchen: Kitchen, letters: list[str]) -> None:
        dropped = kitchen.command("dead-letters", "drop", letters[0], "7-7")
        listed = kitchen.command("dead-letters", "list")

        assert (dropped.exit_code, dropped.stdout) == (1, "1 dropped.\n")
        assert dropped.stderr == "Not found: 7-7\n"
        assert [line.split()[0] for line in listed.stdout.splitlines()] == letters[1:]

    @pytest.mark.parametrize("arguments", [("requeue",), ("drop", "7-7", "--all")])
    def test_must_be_named_one_way(self, kitchen: Kitchen, arguments: tuple[str, ...]) -> None:
        refused = kitchen.command("dead-letters", *arguments)

        assert (refused.exit_code, refused.stderr) == (2, "Name the ids, or say --all.\n")

    def test_cannot_be_read_without_the_server(self, kitchen: Kitchen) -> None:
        kitchen.general = NOWHERE

        failed = kitchen.command("dead-letters", "list")

        assert failed.exit_code == 1
        assert failed.stderr == "Redis is out of reach (ConnectionError).\n"
