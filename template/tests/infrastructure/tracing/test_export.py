"""What the service does without its collector, and at its end."""

import asyncio
import socket
import threading
from collections.abc import Callable, Generator

import pytest
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from pydantic import SecretStr

from app.bootstrap.lifespan import open_features
from app.bootstrap.settings import Settings
from app.core.extensions import Extensions
from app.core.feature import Feature
from app.core.operations import Operation, Operations
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from app.infrastructure.tracing import export
from tests.support import serving

from .conftest import Collector
from .kettle import kettle

pytestmark = pytest.mark.anyio


def work(part: Feature, name: str = "work") -> None:
    with Operations(Extensions(part.extensions)).resumed(Operation(name), {}):
        pass


@pytest.fixture(autouse=True)
def _senders() -> Generator[None]:
    """The service waits for none of them at its end; what they still log is no other test's."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("OtelBatch"):
            thread.join()


def log_as_json() -> None:
    """As entry points do; the service's own loggers would keep it for all other tests."""
    configure_logging(LogSettings(format=LogFormat.JSON), deployed=True)
    structlog.configure(cache_logger_on_first_use=False)


@pytest.fixture
def deaf() -> Generator[str]:
    """Where connections are taken, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def dead() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class TestSettling:
    async def test_sends_what_there_is(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        async with open_features([part]) as state:
            work(part)
            assert part.settle is not None
            await part.settle(state)
            assert collector.named("work").name == "work"


class TestSending:
    async def test_says_who_we_are(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing(
            exporter_otlp_headers=SecretStr("authorization=Bearer%20abc, x-tenant = tea"),
            service_name="teapot",
            resource_attributes="cloud.region=eu-west-1,service.name=other,service.version=7",
        )
        async with open_features([part]):
            work(part)

        (headers,) = collector.headers
        assert (headers["authorization"], headers["x-tenant"]) == ("Bearer abc", "tea")
        resource = collector.named("work").resource
        assert resource["service.name"] == "teapot"
        assert resource["service.version"] == "7"
        assert resource["cloud.region"] == "eu-west-1"

    async def test_may_begin_anew(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        for name in ("first", "second"):
            async with open_features([part]):
                work(part, name)
        work(part, "too late")

        assert [span.name for span in collector.spans] == ["first", "second"]

    async def test_cuts_what_is_too_long(
        self, tracing: Callable[..., Feature], collector: Collector
    ) -> None:
        part = tracing()
        async with open_features([part]):
            operations = Operations(Extensions(part.extensions))
            with operations.resumed(Operation("work", {"long": "x" * 10_000}), {}):
                pass

        assert len(collector.named("work").attributes["long"]) == 2000


class TestOutage:
    @pytest.mark.parametrize("kind", ["dead", "deaf"])
    async def test_fails_no_request_and_holds_up_no_end(
        self,
        kind: str,
        request: pytest.FixtureRequest,
        settings: Settings,
        tracing: Callable[..., Feature],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # A wait of the library's own is 30 seconds, and the test would be as long.
        monkeypatch.setattr(export, "CLOSE_SECONDS", 0.1)
        address = request.getfixturevalue(kind)
        part = tracing(exporter_otlp_endpoint=address)
        async with asyncio.timeout(5), serving(settings, [part, kettle()]) as client:
            for _ in range(5):
                assert (await client.get("kettles/red")).status_code == 200

    @pytest.mark.usefixtures("restored_logging")
    async def test_is_logged_once_without_the_address(
        self,
        dead: str,
        capsys: pytest.CaptureFixture[str],
        tracing: Callable[..., Feature],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(export, "CLOSE_SECONDS", 0.01)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
        log_as_json()
        part, written = tracing(exporter_otlp_endpoint=f"{dead}/hunter2"), ""
        async with open_features([part]):
            work(part)
            async with asyncio.timeout(10):
                while not written:
                    await asyncio.sleep(0.01)
                    written = capsys.readouterr().out

        (line,) = written.splitlines()
        assert "ConnectionError encountered while exporting" in line
        assert "hunter2" not in line

    @pytest.mark.usefixtures("restored_logging")
    async def test_that_is_over_is_logged_and_the_next_one_too(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        tracing: Callable[..., Feature],
        collector: Collector,
    ) -> None:
        log_as_json()
        # Sends at once what it gets.
        monkeypatch.setattr(export, "BatchSpanProcessor", SimpleSpanProcessor)
        part = tracing()
        async with open_features([part]):
            for status in (401, 401, 200, 200, 400):
                collector.status = status
                work(part)

        lines = capsys.readouterr().out.splitlines()
        assert [("Failed" in line, "sent again" in line) for line in lines] == [
            (True, False),
            (False, True),
            (True, False),
        ]
