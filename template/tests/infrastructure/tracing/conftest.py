"""A real collector: an HTTP server that keeps the spans it is sent."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.core.feature import Feature
from app.core.settings import Environment
from app.infrastructure.tracing.feature import feature
from app.infrastructure.tracing.settings import OtelSettings
from tests.servers import answering


@dataclass
class Sent:
    """A span as the collector got it."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    is_error: bool
    resource: dict[str, Any]


class Collector(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Sent] = []
        self.headers: list[dict[str, str]] = []
        self.raw = b""
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> Sent:
        (found,) = [span for span in self.spans if span.name == name]
        return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        collector = cast("Collector", self.server)
        assert self.path == "/v1/traces"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if collector.status == 200:
            collector.raw += body
            collector.headers.append({key.lower(): value for key, value in self.headers.items()})
            collector.spans += _decoded(body)
        self.send_response(collector.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


def _decoded(body: bytes) -> list[Sent]:
    return [
        Sent(
            name=span.name,
            kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_values(span.attributes),
            events=[{"name": it.name, **_values(it.attributes)} for it in span.events],
            is_error=span.status.code == Status.STATUS_CODE_ERROR,
            resource=_values(part.resource.attributes),
        )
        for part in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _values(pairs: Any) -> dict[str, Any]:  # noqa: ANN401 (of protobuf)
    def value(pair: KeyValue) -> Any:  # noqa: ANN401
        return getattr(pair.value, pair.value.WhichOneof("value") or "string_value")

    return {pair.key: value(pair) for pair in pairs}


@pytest.fixture
def collector() -> Generator[Collector]:
    server = Collector()
    with answering(server):
        yield server


@pytest.fixture
def tracing(collector: Collector) -> Callable[..., Feature]:
    """The feature as it is where a collector is named."""

    def make(environment: Environment = Environment.TEST, **options: Any) -> Feature:  # noqa: ANN401
        settings = OtelSettings(**{"exporter_otlp_endpoint": collector.url, **options})
        return feature(settings, environment=environment, title="Kettles", version="1.2.3")

    return make
