import asyncio
from collections.abc import Callable

import pytest
import structlog

from app.bootstrap.lifespan import open_features
from app.core.extensions import Extensions
from app.core.feature import Feature
from app.core.operations import Operation, Operations

from .conftest import Collector

pytestmark = pytest.mark.anyio


def operations_of(part: Feature) -> Operations:
    return Operations(Extensions(part.extensions))


class TestOperation:
    async def test_is_a_span_in_the_trace(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        operations = operations_of(part)
        async with open_features([part]):
            with operations.resumed(Operation("work"), {}):
                asked = operations.begin(Operation("ask", {"server.address": "tea"}))
                assert asked is not None
                carried = asked.carried["traceparent"]
                asked.end("503", {"http.response.status_code": 503})

        work, ask = collector.named("work"), collector.named("ask")
        assert (work.kind, ask.kind) == ("consumer", "client")
        assert (ask.trace_id, ask.parent_id) == (work.trace_id, work.span_id)
        assert carried == f"00-{ask.trace_id}-{ask.span_id}-03"
        assert ask.is_error
        assert ask.attributes == {
            "error.type": "503",
            "http.response.status_code": 503,
            "server.address": "tea",
        }

    async def test_outside_of_any_trace_is_none(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        async with open_features([part]):
            assert operations_of(part).begin(Operation("poll")) is None
            assert operations_of(part).carried() == {}

        assert collector.spans == []

    async def test_of_a_trace_that_is_not_recorded_says_so_to_others(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing(traces_sampler="always_off")
        operations = operations_of(part)
        async with open_features([part]):
            with operations.resumed(Operation("work"), {}):
                asked = operations.begin(Operation("ask"))
                assert asked is not None
                told = (asked.carried["traceparent"], operations.carried()["traceparent"])
                asked.end("503", {"http.response.status_code": 503})

        assert [it.rpartition("-")[2] for it in told] == ["02", "02"]
        assert collector.spans == []


class TestMessage:
    async def test_continues_the_trace_in_which_it_was_sent(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        sender, receiver = tracing(), tracing(traces_sampler="always_off")
        async with open_features([sender]), open_features([Feature(name="x")]):
            with operations_of(sender).resumed(Operation("send"), {}):
                carried = operations_of(sender).carried()
        async with open_features([receiver]):
            with (
                pytest.raises(LookupError),
                structlog.contextvars.bound_contextvars(request_id="abcdef-0123"),
                operations_of(receiver).resumed(Operation("do"), carried),
            ):
                raise LookupError("hunter2")

        send, do = collector.named("send"), collector.named("do")
        assert (do.trace_id, do.parent_id) == (send.trace_id, send.span_id)
        assert do.attributes == {"error.type": "LookupError", "request.id": "abcdef-0123"}
        assert do.is_error
        assert b"hunter2" not in collector.raw

    async def test_of_nobody_continues_nothing(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        operations = operations_of(part)

        async def do() -> None:
            with operations.resumed(Operation("do"), {"traceparent": "00-nonsense"}):
                pass

        async with open_features([part]):
            with operations.resumed(Operation("other"), {}):
                # Begun where something else is under way, as by a task that serves all of them.
                await asyncio.create_task(do())

        assert collector.named("do").trace_id != collector.named("other").trace_id
        assert collector.named("do").parent_id == ""
