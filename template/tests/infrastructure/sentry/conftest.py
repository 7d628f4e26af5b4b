"""A real ingest: an HTTP server that keeps what Sentry would get."""

import gzip
import json
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any, cast

import pytest
from pydantic import SecretStr

from app.core.feature import Feature
from app.core.settings import Environment
from app.infrastructure.sentry.feature import feature
from app.infrastructure.sentry.settings import SentrySettings
from tests.servers import answering

Items = list[tuple[str, dict[str, Any]]]


class Ingest(ThreadingHTTPServer):
    """Keeps the items of all envelopes, each with its type."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.items: Items = []
        self.raw = ""

    @property
    def dsn(self) -> str:
        return f"http://public@127.0.0.1:{self.server_port}/42"

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [item for name, item in self.items if name == kind]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        ingest = cast("Ingest", self.server)
        assert self.path == "/api/42/envelope/"
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding")
        if encoding == "br":
            # Sentry's library prefers it where something else has installed it.
            body = import_module("brotli").decompress(body)
        elif encoding == "gzip":
            body = gzip.decompress(body)
        ingest.raw += body.decode()
        _, *lines = body.decode().splitlines()
        for head, payload in zip(lines[::2], lines[1::2], strict=True):
            ingest.items.append((json.loads(head)["type"], json.loads(payload)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def ingest() -> Generator[Ingest]:
    server = Ingest()
    with answering(server):
        yield server


@pytest.fixture
def sentry(ingest: Ingest) -> Callable[..., Feature]:
    """The feature as it is where a DSN is set."""

    def make(**options: Any) -> Feature:  # noqa: ANN401
        settings = SentrySettings(dsn=SecretStr(ingest.dsn), **options)
        return feature(settings, environment=Environment.STAGING, release="1.2.3")

    return make
