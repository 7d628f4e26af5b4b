from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
from opentelemetry import trace
from structlog.testing import capture_logs
from structlog.typing import EventDict

from app.bootstrap.settings import Settings
from app.core.extensions import Extensions
from app.core.feature import Feature
from app.core.settings import Environment
from app.core.tracing import CurrentTrace
from app.infrastructure.logging.watching import show
from app.modules.health import feature as health
from tests.support import serving

from .conftest import Collector
from .kettle import kettle

pytestmark = pytest.mark.anyio

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def caller(*, sampled: bool) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-0{int(sampled)}", "tracestate": "theirs=1"}


@contextmanager
def lines() -> Generator[list[EventDict]]:
    """What is logged, as watchers leave it."""
    with capture_logs(processors=[show]) as found:
        yield found


class TestRequest:
    async def test_is_a_span_with_its_route_and_status(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        async with serving(settings, [tracing(), kettle()]) as client:
            response = await client.get("kettles/red")

        (span,) = collector.spans
        assert (span.name, span.kind) == ("GET /api/v1/kettles/{name}", "server")
        assert (span.parent_id, span.is_error) == ("", False)
        assert span.attributes == {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "http.route": "/api/v1/kettles/{name}",
            "network.protocol.version": "1.1",
            "request.id": response.headers["x-request-id"],
            "server.address": "test",
            "server.port": 80,
            "url.path": "/api/v1/kettles/red",
            "url.scheme": "http",
            "user.id": "7",
        }
        assert span.resource["service.name"] == "Kettles"
        assert span.resource["service.version"] == "1.2.3"
        assert span.resource["deployment.environment.name"] == "test"

    async def test_says_what_went_wrong_without_its_text(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        with lines():
            async with serving(settings, [tracing(), kettle()]) as client:
                assert (await client.post("kettles/red")).status_code == 500

        (span,) = collector.spans
        assert span.is_error
        assert span.attributes["error.type"] == "500"
        assert span.events == [{"name": "exception", "exception.type": "RuntimeError"}]
        assert len(span.attributes["request.id"]) == 32
        assert b"hunter2" not in collector.raw

    async def test_is_an_error_if_it_could_not_be_served_and_none_if_it_was_wrong(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        async with serving(settings, [tracing(), kettle()]) as client:
            assert (await client.delete("kettles/red")).status_code == 503
            assert (await client.get("nowhere/secret")).status_code == 404

        found = [(it.name, it.is_error) for it in collector.spans]
        assert found == [("DELETE /api/v1/kettles/{name}", True), ("GET", False)]

    async def test_tells_neither_query_nor_headers_nor_body(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        headers = {"Authorization": "Bearer abcdefghij", "Cookie": "a=bcdef", "baggage": "k=mine-0"}
        with lines():
            async with serving(settings, [tracing(), kettle()]) as client:
                body = {"password": "a long password"}
                await client.post("kettles/red?token=tuvwxyz", json=body, headers=headers)

        assert len(collector.spans) == 1
        for secret in (b"abcdefghij", b"bcdef", b"mine-0", b"a long", b"tuvwxyz", b"token"):
            assert secret not in collector.raw, secret

    async def test_of_a_probe_is_none(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        async with serving(settings, [tracing(), health.feature([])]) as client:
            assert (await client.get("http://test/health/live")).status_code == 200

        assert collector.spans == []


class TestCaller:
    async def test_names_the_trace(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        async with serving(settings, [tracing(), kettle()]) as client:
            await client.get("kettles/red", headers=caller(sampled=False))
            await client.get("kettles/red", headers={"traceparent": "00-nonsense"})

        ours, own = collector.spans
        assert (ours.trace_id, ours.parent_id) == (TRACE, PARENT)
        assert (own.trace_id != TRACE, own.parent_id) == (True, "")

    @pytest.mark.parametrize("trace", [TRACE, "0" * 31 + "1"])
    async def test_does_not_decide_that_it_is_recorded(
        self, trace: str, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        # With a share of 0.1 an id like the second would always be among the chosen.
        async with serving(settings, [tracing(traces_sampler_arg=1e-9), kettle()]) as client:
            headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
            assert (await client.get("kettles/red", headers=headers)).status_code == 200

        assert collector.spans == []

    @pytest.mark.parametrize("sampled", [True, False])
    async def test_does_where_callers_are_followed(
        self,
        settings: Settings,
        tracing: Callable[..., Feature],
        collector: Collector,
        *,
        sampled: bool,
    ) -> None:
        ratio = 0 if sampled else 1
        options = {"traces_sampler": "parentbased_traceidratio", "traces_sampler_arg": ratio}
        async with serving(settings, [tracing(**options), kettle()]) as client:
            await client.get("kettles/red", headers=caller(sampled=sampled))

        assert [span.trace_id for span in collector.spans] == ([TRACE] if sampled else [])


class TestShare:
    async def test_of_requests_is_recorded(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        async with serving(settings, [tracing(traces_sampler_arg=0.5), kettle()]) as client:
            for _ in range(100):
                await client.get("kettles/red")

        # Beyond these once in 10**9 times.
        assert 20 < len(collector.spans) < 80

    async def test_is_a_tenth_where_deployed(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        deployed = tracing(Environment.PRODUCTION)
        async with serving(settings, [deployed, kettle()]) as client:
            for _ in range(100):
                await client.get("kettles/red")

        assert len(collector.spans) < 50


class TestLines:
    async def test_carry_the_ids_of_the_span(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        with lines() as found:
            async with serving(settings, [tracing(), kettle()]) as client:
                await client.get("kettles/red")
        (span,) = collector.spans

        ids = {line["event"]: (line.get("trace_id"), line.get("span_id")) for line in found}
        assert ids["looked"] == ids["request"] == (span.trace_id, span.span_id)

    async def test_of_what_is_not_recorded_carry_none(
        self, settings: Settings, tracing: Callable[..., Feature]
    ) -> None:
        with lines() as found:
            async with serving(settings, [tracing(traces_sampler_arg=0), kettle()]) as client:
                await client.get("kettles/red", headers=caller(sampled=True))

        assert len(found) == 2
        assert [line for line in found if "trace_id" in line] == []


class TestCurrentTrace:
    async def test_is_that_of_the_request(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        (current,) = Extensions(part.extensions).of(CurrentTrace)
        seen: list[str | None] = [current.trace_id()]
        teller = kettle()

        @teller.routers[0].get("/{name}/trace")
        async def tell(name: str) -> str:
            seen.append(current.trace_id())
            return name

        async with serving(settings, [part, teller]) as client:
            await client.get("kettles/red/trace")

        assert seen == [None, collector.spans[0].trace_id]


class TestOff:
    def test_costs_nothing(self, tracing: Callable[..., Feature]) -> None:
        assert tracing(exporter_otlp_endpoint=None) == Feature(name="tracing")

    async def test_leaves_nothing_behind(
        self, settings: Settings, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        before = trace.get_tracer_provider()
        parts = [tracing(), kettle()]
        async with serving(settings, parts) as client:
            await client.get("kettles/red")
        with lines() as found:
            async with serving(settings, [kettle()]) as client:
                await client.get("kettles/red")

        assert len(collector.spans) == 1
        assert [line for line in found if "trace_id" in line] == []
        assert trace.get_tracer_provider() is before
