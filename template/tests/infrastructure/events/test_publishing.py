"""What happens in a process, told to the handlers of the same process."""

import asyncio
from typing import Any

import pytest
import structlog
from fastapi import APIRouter
from httpx2 import AsyncClient
from pydantic import ValidationError
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.infrastructure.database.session import SessionDep
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.events.bus import EventBusDep, event_bus_of
from app.infrastructure.events.handlers import EventContext
from app.infrastructure.events.measures import EventMeasures
from app.infrastructure.events.settings import EventsSettings
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.operations import Diary
from tests.support import FixedSettings, serving, shown

from .conftest import Serve
from .kettle import BrokenError, Filled, at_fill, burst, features, noting, pour, poured

pytestmark = pytest.mark.anyio


class Gate:
    """A handler that waits until it is let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.passed: list[str] = []

    async def handle(self, _: EventContext, told: Filled) -> None:
        self.reached.set()
        await self.opened.wait()
        self.passed.append(told.cup)


class TestEvent:
    def test_cannot_be_changed_and_knows_its_fields(self) -> None:
        event = Filled(cup="blue")

        with pytest.raises(ValidationError):
            event.cup = "red"  # type: ignore[misc]
        with pytest.raises(ValidationError):
            Filled.model_validate({"cup": "blue", "spoon": 1})


class TestCommit:
    async def test_comes_before_the_handlers(self, serve: Serve) -> None:
        seen: list[Any] = []

        async def look(context: EventContext, _: Filled) -> None:
            seen.extend(await poured(context.state["database"]))

        async with serve(at_fill(look)) as service:
            async with service.database.transaction() as session:
                await service.events.publish(session, Filled(cup="blue"))
                await service.events.idle()
                assert seen == []
                context = EventContext(None, session, {}, 1)  # type: ignore[arg-type]
                await pour(context, Filled(cup="blue"))
            await service.events.idle()

        assert seen == [("blue", 1)]

    async def test_goes_on_where_the_handlers_begin(self, serve: Serve, diary: Diary) -> None:
        async with serve(at_fill(pour), diary) as service:
            async with service.database.transaction() as session:
                told = await service.events.publish(session, Filled(cup="blue"))
            await service.events.idle()

        assert told.traceparent == "sender"
        assert diary.resumptions == [(f"event {told.type}", {"traceparent": "sender"})]

    async def test_that_never_comes_is_told_to_nobody(self, serve: Serve) -> None:
        notes: list[str] = []

        async with serve(at_fill(noting(notes))) as service:
            with pytest.raises(BrokenError):
                async with service.database.transaction() as session:
                    await service.events.publish(session, Filled(cup="blue"))
                    raise BrokenError
            await service.events.idle()

        assert notes == []


class TestHandlers:
    async def test_get_the_events_in_their_order(self, serve: Serve) -> None:
        first: list[str] = []
        second: list[str] = []
        handlers = (at_fill(noting(first), "first"), at_fill(noting(second), "second"))

        async with serve(*handlers) as service:
            await service.tell(Filled(cup="1"), Filled(cup="2"))
            await service.tell(Filled(cup="3"))
            await service.events.idle()

            assert service.events.stats.handled == {"first": 3, "second": 3}
            assert shown(EventMeasures(), event_bus=service.events) == {
                ("events_handled", "first"): 3,
                ("events_handled", "second"): 3,
            }
        assert first == second == ["1", "2", "3"]

    async def test_fail_for_themselves_alone(self, serve: Serve) -> None:
        handlers = (at_fill(burst, "burst"), at_fill(pour, "pour"))

        with capture_logs() as logs:
            async with serve(*handlers) as service:
                await service.tell(Filled(cup="1"), Filled(cup="2"))
                await service.events.idle()

                # What the failing one wrote is undone.
                assert await poured(service.database) == [("1", 1), ("2", 1)]
                assert service.events.stats.failed == {"burst": 2}
        assert [(log["event"], log["log_level"]) for log in logs] == [
            ("event handler failed", "error")
        ] * 2

    async def test_keep_no_request_waiting_and_no_other_handler(self, serve: Serve) -> None:
        gate, notes = Gate(), list[str]()

        async with serve(at_fill(gate.handle, "slow"), at_fill(noting(notes), "fast")) as service:
            async with asyncio.timeout(5):
                await service.tell(Filled(cup="1"))
                await service.tell(Filled(cup="2"))
                await gate.reached.wait()
                while len(notes) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            assert gate.passed == []
            gate.opened.set()

        assert gate.passed == ["1", "2"]

    async def test_are_cancelled_when_they_take_too_long(self, serve: Serve) -> None:
        async def stick(context: EventContext, told: Filled) -> None:
            await pour(context, told)
            await asyncio.sleep(3600)

        with capture_logs() as logs:
            async with serve(at_fill(stick), handler_timeout_seconds=0.05) as service:
                await service.tell(Filled(cup="1"))
                await service.events.idle()

                assert await poured(service.database) == []
        assert [type(log["exc_info"]) for log in logs] == [bool]
        assert service.events.stats.failed == {"fill": 1}

    async def test_may_tell_something_themselves(self, serve: Serve) -> None:
        notes: list[str] = []

        async def refill(context: EventContext, told: Filled) -> None:
            notes.append(told.cup)
            if len(notes) < 3:
                await event_bus_of(context.state).publish(
                    context.session, Filled(cup=told.cup + "+")
                )

        async with serve(at_fill(refill)) as service:
            await service.tell(Filled(cup="1"))
            await service.events.idle()

        assert notes == ["1", "1+", "1++"]

    async def test_log_the_request_and_the_event_that_they_belong_to(self, serve: Serve) -> None:
        async def look(_: EventContext, told: Filled) -> None:
            structlog.get_logger().info("filling", cup=told.cup)

        contextvars = [structlog.contextvars.merge_contextvars]
        async with serve(at_fill(look)) as service:
            with capture_logs(processors=contextvars) as logs:
                with structlog.contextvars.bound_contextvars(request_id="abcdef-0123", who="ada"):
                    (first,) = await service.tell(Filled(cup="1"))
                (second,) = await service.tell(Filled(cup="2"))
                await service.events.idle()

        about = {"event": "filling", "log_level": "info", "event_name": "kettle.filled"}
        about["handler"] = "fill"
        assert logs == [
            {**about, "cup": "1", "request_id": "abcdef-0123", "event_id": first.id},
            {**about, "cup": "2", "request_id": None, "event_id": second.id},
        ]


class TestTooMany:
    async def test_are_lost_and_logged_for_the_slow_handler_alone(self, serve: Serve) -> None:
        gate, notes = Gate(), list[str]()
        handlers = (at_fill(gate.handle, "slow"), at_fill(noting(notes), "fast"))

        with capture_logs() as logs:
            async with serve(*handlers, queue_length=2) as service:
                for cup in ("1", "2", "3"):
                    await service.tell(Filled(cup=cup))
                    await gate.reached.wait()
                gate.opened.set()
                await service.events.idle()

                assert service.events.stats.lost == {"kettle.filled": 1}
        assert gate.passed == ["1", "2"]
        assert notes == ["1", "2", "3"]
        assert [(log["event"], log["reason"]) for log in logs] == [
            ("event lost", "too many are waiting")
        ]


class TestShutdown:
    async def test_waits_for_what_is_running(self, serve: Serve) -> None:
        async def slowly(context: EventContext, told: Filled) -> None:
            await asyncio.sleep(0.05)
            await pour(context, told)

        async with serve(at_fill(slowly)) as service:
            await service.tell(Filled(cup="1"), Filled(cup="2"))
            database = service.database

        assert await poured(database) == [("1", 1), ("2", 1)]
        await database.aclose()

    async def test_does_not_wait_for_ever(self, serve: Serve) -> None:
        gate = Gate()

        with capture_logs() as logs:
            async with serve(at_fill(gate.handle), shutdown_seconds=0.05) as service:
                await service.tell(Filled(cup="1"), Filled(cup="2"))

        assert gate.passed == []
        assert [(log["event"], log["reason"]) for log in logs] == [
            ("event lost", "the process stops")
        ] * 2


router = APIRouter(prefix="/kettles")


@router.post("", status_code=201)
async def fill(cup: str, session: SessionDep, events: EventBusDep) -> None:
    await events.publish(session, Filled(cup=cup))
    if cup == "broken":
        raise BrokenError


class TestRequest:
    @staticmethod
    async def post(client: AsyncClient, *cups: str) -> list[int]:
        headers = {"X-Request-ID": "abcdef-0123"}
        return [
            (await client.post("kettles", params={"cup": cup}, headers=headers)).status_code
            for cup in cups
        ]

    async def test_tells_what_it_has_committed(self, database_settings: DatabaseSettings) -> None:
        heard: list[tuple[str, str | None]] = []

        async def hear(context: EventContext, told: Filled) -> None:
            heard.append((told.cup, context.envelope.requestid))

        settings = EventsSettings(inline=True)
        extensions = (at_fill(burst, "burst"), at_fill(hear, "hear"))
        parts = features(database_settings, RedisSettings(), settings, *extensions)
        parts.append(Feature(name="kettles", routers=(router,)))
        with capture_logs():
            async with serving(FixedSettings(environment="test"), parts) as client:
                # Inline, the second handler has run when the answer is here; the first one failed.
                assert await self.post(client, "1", "broken", "2") == [201, 500, 201]

        assert heard == [("1", "abcdef-0123"), ("2", "abcdef-0123")]
