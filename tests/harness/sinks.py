"""Servers that keep what a service reports to them."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import brotli  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

UNPACK = {"br": brotli.decompress, "gzip": gzip.decompress}


class Sink(ThreadingHTTPServer):
    """Takes every POST: (path, body), unpacked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.received: list[tuple[str, bytes]] = []

    @property
    def host(self) -> str:
        """Its address, without a scheme."""
        return f"127.0.0.1:{self.server_port}"

    def text(self) -> str:
        """All that was received, to look for what must not be in it."""
        return "\n".join(body.decode(errors="replace") for _, body in self.received)

    def sentry_events(self) -> list[dict[str, Any]]:
        """The errors in the envelopes that Sentry's library has sent."""
        events = []
        for path, body in self.received:
            if path.endswith("/envelope/"):
                _, *lines = body.decode().splitlines()
                items = zip(map(json.loads, lines[::2]), map(json.loads, lines[1::2]), strict=True)
                events += [item for head, item in items if head["type"] == "event"]
        return events

    def spans(self) -> list[Span]:
        """What OpenTelemetry's library has sent."""
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.received if path == "/v1/traces"]
        return [
            span for it in requests for part in it.resource_spans for scope in part.scope_spans for span in scope.spans
        ]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding")
        if encoding in UNPACK:
            body = UNPACK[encoding](body)
        cast("Sink", self.server).received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@contextmanager
def sink() -> Iterator[Sink]:
    """One that listens on a free port."""
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
