"""A consumer on a real stream."""

import json

import pytest
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.infrastructure.events.event import Envelope
from app.infrastructure.events.handlers import EventContext
from app.infrastructure.events.receipts import note
from app.infrastructure.redis.settings import RedisSettings

from .conftest import Serve
from .kettle import BrokenError, Cup, Service, at_boil, burst, noting, pour, poured, until

pytestmark = pytest.mark.anyio


async def gone(service: Service, count: int = 1) -> list[dict[bytes, bytes]]:
    """The dead letters, once there are so many."""

    async def look() -> list[dict[bytes, bytes]]:
        letters = await service.letters()
        return letters if len(letters) >= count else []

    return await until(look)


async def told(service: Service, body: bytes, stream: str | None = None) -> None:
    """As another service does it."""
    await service.redis.xadd(stream or service.keys.stream, {b"event": body})


class TestConsumer:
    async def test_handles_what_was_told_before_and_after_it_began(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        notes: list[str] = []
        handlers = (at_boil(noting(notes), "note"), at_boil(pour))
        async with serve(*handlers, redis=real_redis_settings) as service:
            await service.boil("1", "2")
            async with service.consuming() as consumer:
                await service.boil("3")
                await service.done("3")
            begun = await service.begun()

            assert await poured(service.database) == [("1", 1), ("2", 1), ("3", 1)]
            assert consumer.stats.handled == {"note": 3, "pour": 3}
            # Another one goes on where this one ended.
            async with service.consuming():
                await service.boil("4")
                await service.done("4")
        assert notes == ["1", "2", "3", "4"]
        assert begun == []

    async def test_reads_the_streams_of_other_services(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        prefix = real_redis_settings.prefix
        others = (f"{prefix}-one:events", f"{prefix}-two:events")
        async with serve(at_boil(pour), redis=real_redis_settings, sources=others) as service:
            await service.boil("own")
            for cup, stream in zip(("1", "2"), others, strict=True):
                theirs = Envelope(id=cup, source="/x", type="kettle.boiled", data={"cup": cup})
                await told(service, theirs.to_json(), stream)
            async with service.consuming():
                assert await service.done("1") == [("1", 1)]
                assert await service.done("2") == [("2", 1)]

            assert await poured(service.database) == [("1", 1), ("2", 1)]

    async def test_does_once_what_is_delivered_twice(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(at_boil(pour), redis=real_redis_settings) as service:
            (envelope,) = await service.boil("1")
            await told(service, envelope.to_json())
            async with service.consuming():
                await service.boil("2")
                await service.done("2")

            assert await poured(service.database) == [("1", 1), ("2", 1)]

    async def test_undoes_what_another_one_has_done_meanwhile(
        self, serve: Serve, real_redis_settings: RedisSettings, teapot: Database
    ) -> None:
        async def slowly(context: EventContext, cup: Cup) -> None:
            # Another consumer is through with it at this moment, and this one does not know.
            if cup.cup == "1":
                async with teapot.transaction() as session:
                    await note(session, "pour", context.envelope)
            await pour(context, cup)

        async with serve(at_boil(slowly), redis=real_redis_settings) as service:
            await service.boil("1", "2")
            async with service.consuming() as consumer:
                await service.done("2")

            assert await poured(service.database) == [("2", 1)]
            assert consumer.stats.failed == {}
            assert await service.begun() == []

    async def test_leaves_alone_what_nobody_here_wants(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        async with serve(at_boil(pour), redis=real_redis_settings) as service:
            await told(service, Envelope(id="7", source="/x", type="toast.burnt").to_json())
            await service.boil("1")
            async with service.consuming():
                await service.done("1")

            assert await service.begun() == []
            assert await service.letters() == []


class TestFailure:
    async def test_is_tried_again_while_others_go_on(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        order: list[tuple[str, int]] = []

        async def fail_twice(context: EventContext, cup: Cup) -> None:
            order.append((cup.cup, context.attempt))
            await pour(context, cup)
            if cup.cup == "1" and context.attempt < 3:
                raise BrokenError

        with capture_logs():
            async with serve(
                at_boil(fail_twice), redis=real_redis_settings, retry_wait_seconds=0.05
            ) as service:
                await service.boil("1", "2")
                async with service.consuming() as consumer:
                    assert await service.done("1") == [("1", 3)]
                assert consumer.stats.failed == {"pour": 2}
                assert await service.begun() == []
        assert order == [("1", 1), ("2", 1), ("1", 2), ("1", 3)]

    async def test_is_tried_again_by_who_failed_alone(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        notes: list[str] = []
        handlers = (at_boil(noting(notes), "note"), at_boil(burst, "burst"), at_boil(pour))
        with capture_logs():
            async with serve(*handlers, redis=real_redis_settings, max_deliveries=3) as service:
                await service.boil("1")
                async with service.consuming() as consumer:
                    (letter,) = await gone(service)

                assert consumer.stats.handled == {"note": 1, "pour": 1}
                assert await poured(service.database) == [("1", 1)]
        assert notes == ["1"]
        assert (letter[b"handlers"], letter[b"attempts"]) == (b"burst", b"3")

    async def test_for_good_is_a_dead_letter(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        with capture_logs() as logs:
            async with serve(
                at_boil(burst), redis=real_redis_settings, max_deliveries=2
            ) as service:
                (envelope,) = await service.boil("1")
                async with service.consuming() as consumer:
                    (letter,) = await gone(service)
                ((entry_id, _),) = await service.entries()

                assert await service.begun() == []
                assert consumer.stats.dead == {service.keys.stream: 1}
                assert await poured(service.database) == []
        assert letter == {
            b"event": envelope.to_json(),
            b"stream": service.keys.stream.encode(),
            b"code": b"event.failed",
            b"error": b"BrokenError",
            b"handlers": b"pour",
            b"attempts": b"2",
        }
        assert [log["event"] for log in logs] == ["event handler failed"] * 2 + ["event given up"]
        assert logs[-1]["entry"] == entry_id.decode()
        assert logs[-1]["failures"] == ["event.failed BrokenError pour"]

    @pytest.mark.parametrize(
        ("change", "code", "handlers"),
        [
            ({"data": {"spoon": 1}}, b"event.invalid", b"pour"),
            ({"dataversion": 2}, b"event.unknown_version", b""),
            ({"specversion": "2.0"}, b"event.malformed", b""),
        ],
    )
    async def test_that_cannot_get_better_is_a_dead_letter_at_once(
        self,
        serve: Serve,
        real_redis_settings: RedisSettings,
        change: dict[str, object],
        code: bytes,
        handlers: bytes,
    ) -> None:
        envelope = {"specversion": "1.0", "id": "7", "source": "/x", "type": "kettle.boiled"}
        with capture_logs():
            async with serve(at_boil(pour), redis=real_redis_settings) as service:
                await told(service, json.dumps({**envelope, **change}).encode())
                await service.boil("1")
                async with service.consuming():
                    (letter,) = await gone(service)
                    await service.done("1")

                assert await service.begun() == []
        assert (letter[b"code"], letter[b"handlers"]) == (code, handlers)
        assert letter[b"attempts"] == b"1"

    async def test_of_an_entry_without_an_event_is_one_too(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        with capture_logs():
            async with serve(at_boil(pour), redis=real_redis_settings) as service:
                await service.redis.xadd(service.keys.stream, {"something": "else"})
                async with service.consuming():
                    (letter,) = await gone(service)

        assert (letter[b"code"], letter[b"event"]) == (b"event.malformed", b"")

    async def test_fills_no_more_than_its_room(
        self, serve: Serve, real_redis_settings: RedisSettings
    ) -> None:
        with capture_logs():
            async with serve(redis=real_redis_settings, dead_letters_max_length=100) as service:
                for _ in range(250):
                    await told(service, b"no event")
                async with service.consuming() as consumer:

                    async def look() -> bool:
                        return consumer.stats.dead.total() == 250

                    await until(look)
                assert 100 <= len(await service.letters()) < 250
