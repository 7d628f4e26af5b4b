"""A consumer whose neighbour dies, whose servers go away, and which is stopped."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.infrastructure.events.handlers import EventContext
from app.infrastructure.events.receiver import Receiver
from app.infrastructure.events.running import HandlerRunner
from app.infrastructure.events.stats import EventStats
from app.infrastructure.events.stream import Claims, Subscription
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.redis import RedisServer

from .conftest import Serve
from .kettle import BrokenError, Cup, at_boil, noting, out_of_reach, pour, poured, until

pytestmark = pytest.mark.anyio


class Late(Redis):
    """Between two commands of ours, the entry is ended by who had it before."""

    async def xautoclaim(self, name: str, groupname: str, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override] # noqa: ANN401
        answer = await super().xautoclaim(name, groupname, *args, **kwargs)
        await self.xack(name, groupname, *(entry_id for entry_id, _ in answer[1]))
        return answer


class TestDeadNeighbour:
    async def test_leaves_what_it_has_begun_to_another(
        self, serve: Serve, real_redis_settings: RedisSettings, database_url: str, tmp_path: Path
    ) -> None:
        begun = tmp_path / "begun"
        assert real_redis_settings.url is not None
        url = real_redis_settings.url.get_secret_value()
        arguments = (database_url, url, real_redis_settings.prefix, str(begun))
        neighbour = subprocess.Popen(  # noqa: ASYNC220, S603
            [sys.executable, "-m", "tests.infrastructure.events.kettle", *arguments]
        )
        try:
            async with serve(at_boil(pour), redis=real_redis_settings) as service:
                await service.boil("1")

                async def look() -> bool:
                    assert neighbour.poll() is None
                    return begun.exists()

                await until(look)
                neighbour.kill()
                neighbour.wait()
                await service.age()
                async with service.consuming():
                    assert await service.done("1") == [("1", 2)]

                assert await service.begun() == []
        finally:
            neighbour.kill()

    async def test_that_each_time_died_of_it_makes_it_a_dead_letter(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        with capture_logs():
            async with serve(at_boil(pour), redis=real_redis_settings) as service:
                await service.boil("1")
                await service.taken_by_a_dead_one(times=5)
                async with service.consuming():
                    await until(service.letters)
                (letter,) = await service.letters()

                assert await poured(service.database) == []
                assert await service.begun() == []
        assert (letter[b"code"], letter[b"attempts"]) == (b"event.crashed", b"6")

    async def test_has_begun_what_the_stream_has_not_kept(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        with capture_logs() as logs:
            async with serve(at_boil(pour), redis=real_redis_settings) as service:
                await service.boil("1")
                await service.taken_by_a_dead_one()
                await service.redis.xtrim(service.keys.stream, maxlen=0, approximate=False)
                async with service.consuming():
                    await service.boil("2")
                    await service.done("2")

                assert await service.begun() == []
        assert logs == [
            {
                "event": "events trimmed before they were handled",
                "log_level": "error",
                "stream": service.keys.stream,
                "n": 1,
            }
        ]


class TestLiveNeighbour:
    async def test_says_between_two_handlers_that_it_is_alive(self, serve: Serve) -> None:
        handlers = [at_boil(noting([]), name) for name in ("a", "b", "c")]
        renewed: list[int] = []

        async def renew() -> None:
            renewed.append(len(renewed))

        async with serve(*handlers) as service:
            runner = HandlerRunner(service.state, service.settings, EventStats())
            (envelope,) = await service.boil("1")
            again = envelope.model_copy(update={"id": "again"}).to_json()
            await Receiver(service.state, runner).receive(again, 1, renew)

        assert renewed == [0, 1]

    async def test_keeps_what_it_renews(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(redis=real_redis_settings) as service:
            stream = service.keys.stream
            await service.boil("1")
            one, other = (Subscription(service.redis, stream, stream, name) for name in "ab")
            await one.join()
            entry = await one.read(1)
            assert entry is not None
            await service.age()
            await one.renew(entry.id)

            # Not left alone for long, and a renewal is no attempt.
            assert await other.retry(entry.id, 60_000) is None
            ((begun),) = await service.begun()
            assert (begun["consumer"], begun["times_delivered"]) == (b"a", 1)
            # While somebody has begun it, leaving would forget it.
            await one.leave()
            assert len(await service.begun()) == 1

            taken = await other.retry(entry.id, 0)
            assert taken is not None
            assert (taken.id, taken.attempt) == (entry.id, 2)

    async def test_that_has_ended_it_after_all_leaves_nothing_to_retry(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        seen: list[tuple[str, int]] = []

        async def fail_once(context: EventContext, cup: Cup) -> None:
            seen.append((cup.cup, context.attempt))
            await pour(context, cup)
            if cup.cup == "1":
                ((entry_id, _), *_) = await service.entries()
                await service.redis.xack(service.keys.stream, service.keys.stream, entry_id)
            if context.attempt == 1:
                raise BrokenError

        with capture_logs():
            async with serve(at_boil(fail_once), redis=real_redis_settings) as service:
                await service.boil("1", "2")
                async with service.consuming():
                    # Its second attempt is due after that of the first one.
                    await service.done("2")

        assert seen == [("1", 1), ("2", 1), ("2", 2)]

    async def test_that_has_ended_it_at_this_moment_leaves_nothing(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(redis=real_redis_settings) as service:
            stream = service.keys.stream
            await service.boil("1")
            await service.taken_by_a_dead_one()
            late = Late(connection_pool=service.redis.connection_pool)

            claims = Claims()
            assert await Subscription(late, stream, stream, "a").take_over(claims, 1) is None
            assert claims.is_over


class TestRedis:
    async def test_may_go_and_come_back_empty(
        self, serve: Serve, redis_server: RedisServer
    ) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url))
        async with serve(at_boil(pour), redis=settings) as service:
            with capture_logs() as logs:
                async with service.consuming():
                    await service.boil("1")
                    await service.done("1")
                    redis_server.stop()

                    async def look() -> bool:
                        return bool(logs)

                    await until(look)
                    redis_server.start()
                    await service.boil("2")
                    await service.done("2")

        # An answer that was on its way may come between.
        about = [(log["event"], log["purpose"]) for log in logs]
        assert about[0] == ("redis is out of reach", "events consumer")
        assert about[-1] == ("redis is back", "events consumer")

    async def test_that_is_gone_does_not_keep_it_from_stopping(
        self, serve: Serve, redis_server: RedisServer
    ) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url))
        async with serve(at_boil(pour), redis=settings) as service:
            with capture_logs() as logs:
                async with service.consuming():
                    await service.boil("1")
                    await service.done("1")
                    redis_server.stop()

                    async def look() -> bool:
                        return bool(logs)

                    await until(look)

        assert logs[0]["event"] == "redis is out of reach"

    async def test_tells_what_else_is_wrong_with_a_stream(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(at_boil(pour), redis=real_redis_settings) as service:
            await service.redis.set(service.keys.stream, "no stream")
            with capture_logs() as logs:
                async with service.consuming():

                    async def look() -> bool:
                        return bool(logs)

                    await until(look)
        assert logs[0]["error"] == "ResponseError"


class TestDatabase:
    async def test_that_is_gone_makes_no_dead_letters(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(at_boil(pour), redis=real_redis_settings, max_deliveries=1) as service:
            await service.boil("1", "2")
            with capture_logs() as logs:
                async with service.consuming() as consumer:
                    async with out_of_reach(service.database) as tries:

                        async def look() -> bool:
                            return len(tries) > 2

                        await until(look)
                    await service.done("2")

            assert await poured(service.database) == [("1", 1), ("2", 1)]
            assert await service.letters() == []
            assert consumer.stats.failed == {}
        assert [log for log in logs if log["log_level"] != "debug"] == [
            {
                "event": "events wait",
                "log_level": "warning",
                "stream": service.keys.stream,
                "code": "database.unreachable",
            }
        ]

    async def test_that_is_gone_does_not_keep_it_from_stopping(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(at_boil(pour), redis=real_redis_settings) as service:
            await service.boil("1")
            with capture_logs() as logs:
                async with out_of_reach(service.database), service.consuming():

                    async def look() -> bool:
                        return bool(logs)

                    await until(look)

            # For the next one, and not as an attempt that has failed.
            assert [it["times_delivered"] for it in await service.begun()] == [1]
