from collections.abc import Generator, Iterable
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram

from app.core.extensions import Extensions
from app.core.measures import Reading
from app.core.routing import ProbePath
from app.core.tracing import CurrentTrace

# Names and buckets are those of the semantic conventions for telemetry of HTTP servers, as
# Prometheus spells them, so that dashboards made for either show them.
_LABELS = ("http_request_method", "http_route", "http_response_status_code")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# Others are one: a client may send any word.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "_OTHER"


class HttpMeter:
    def __init__(self, registry: CollectorRegistry, extensions: Extensions) -> None:
        self._probes = tuple(probe.prefix for probe in extensions.of(ProbePath))
        self._traces = extensions.of(CurrentTrace)
        self._durations = Histogram(
            "http_server_request_duration_seconds",
            "Requests until the end of the answer, except probes.",
            _LABELS,
            buckets=_SECONDS,
            registry=registry,
        )
        # The library looks a series up for ten times as long.
        self._series: dict[tuple[str, str, int], Histogram] = {}
        self._requests = 0
        self._connections = 0

    def is_probe(self, path: str) -> bool:
        return path.startswith(self._probes)

    def trace_id(self) -> str | None:
        for trace in self._traces:
            if (trace_id := trace.trace_id()) is not None:
                return trace_id
        return None

    @contextmanager
    def connected(self) -> Generator[None]:
        """While a WebSocket is open."""
        self._connections += 1
        try:
            yield
        finally:
            self._connections -= 1

    def begin(self) -> None:
        self._requests += 1

    def end(
        self, method: str, route: str, status: int, seconds: float, trace_id: str | None
    ) -> None:
        self._requests -= 1
        if method not in _METHODS:
            method = _OTHER
        name = (method, route, status)
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = self._durations.labels(*name)
        series.observe(seconds, None if trace_id is None else {"trace_id": trace_id})

    def readings(self) -> Iterable[Reading]:
        yield Reading(
            name="http_server_active_requests",
            description="Requests that are being answered.",
            value=self._requests,
        )
        yield Reading(
            name="websocket_connections",
            description="WebSockets that are open.",
            value=self._connections,
        )
