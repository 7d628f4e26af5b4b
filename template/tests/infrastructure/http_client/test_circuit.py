import asyncio
import time
from asyncio import StreamWriter

import pytest
from structlog.testing import capture_logs

from app.infrastructure.http_client.clients import HttpClients
from app.infrastructure.http_client.errors import (
    UpstreamError,
    UpstreamFailedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from app.infrastructure.http_client.upstream import Upstream
from tests.infrastructure.http_client.conftest import Pauses, weather
from tests.infrastructure.http_client.servers import LocalServer, hang, reply

pytestmark = pytest.mark.anyio


class Clock:
    """The library's, which takes none and reads the machine's."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("purgatory.domain.model.time", clock)
    return clock


@pytest.fixture
async def opened(
    clients: HttpClients, server: LocalServer, pauses: Pauses, clock: Clock
) -> Upstream:
    """Its circuit has been open for so long that a request may try."""
    upstream = weather(clients, server, pauses, circuit_failures=1)
    server.answers(reply(500))
    await fail(upstream, 1)
    clock.now += 31
    server.received.clear()
    return upstream


async def fail(upstream: Upstream, times: int) -> None:
    for _ in range(times):
        with pytest.raises(UpstreamError):
            await upstream.send("GET", "today", is_idempotent=False)


class TestOpen:
    async def test_sends_nothing_and_says_for_how_long(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(500))
        upstream = weather(clients, server, pauses)
        with capture_logs() as lines:
            await fail(upstream, 5)
        with pytest.raises(UpstreamUnavailableError) as caught:
            await upstream.send("GET", "today")

        assert len(server.received) == 5
        assert 29 <= caught.value.retry_after_seconds <= 30
        assert [line for line in lines if line["event"] == "circuit opened"] == [
            {
                "event": "circuit opened",
                "log_level": "warning",
                "upstream": "weather",
                "seconds": 30,
            }
        ]
        assert (upstream.counters.openings, upstream.counters.is_open) == (1, True)
        assert (upstream.counters.requests, upstream.counters.failures) == (6, 6)
        assert pauses == []

    async def test_is_for_one_upstream_alone(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(500))
        await fail(weather(clients, server, pauses), 6)
        server.answers(reply())

        answer = await weather(clients, server, pauses).send("GET", "today")
        assert answer.status == 200

    async def test_takes_failures_in_a_row(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        upstream = weather(clients, server, pauses, circuit_failures=2)
        for _ in range(3):
            server.answers(reply(500), reply())
            await fail(upstream, 1)
            await upstream.send("GET", "today")

        assert upstream.counters.openings == 0

    @pytest.mark.parametrize("status", [302, 400, 404, 429])
    async def test_is_not_for_one_that_answers(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, status: int
    ) -> None:
        server.answers(reply(status))
        upstream = weather(clients, server, pauses, circuit_failures=1)
        await fail(upstream, 2)

        assert len(server.received) == 2

    async def test_stops_the_attempts_of_a_call_that_is_under_way(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(500))
        upstream = weather(clients, server, pauses, circuit_failures=2)
        with pytest.raises(UpstreamUnavailableError):
            await upstream.send("GET", "today")

        assert len(server.received) == 2

    async def test_is_for_one_that_hangs(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(hang)
        upstream = weather(clients, server, pauses, circuit_failures=1, deadline_seconds=0.05)
        with pytest.raises(UpstreamTimeoutError):
            await upstream.send("GET", "today")
        with pytest.raises(UpstreamUnavailableError):
            await upstream.send("GET", "today")

    async def test_keeps_nothing_of_those_it_turns_away(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(500))
        upstream = weather(clients, server, pauses, circuit_failures=1)
        await fail(upstream, 3)
        with pytest.raises(UpstreamUnavailableError) as caught:
            await upstream.send("GET", "today")

        assert isinstance(caught.value.__context__, Exception)
        assert caught.value.__context__.__traceback__ is None


class TestTrial:
    async def test_is_one_request_while_the_others_are_turned_away(
        self, server: LocalServer, opened: Upstream
    ) -> None:
        arrived, answered = asyncio.Event(), asyncio.Event()

        async def hesitate(writer: StreamWriter) -> None:
            arrived.set()
            await answered.wait()
            await reply()(writer)

        server.answers(hesitate, reply())
        trial = asyncio.create_task(opened.send("GET", "today"))
        await arrived.wait()
        others = await asyncio.gather(
            *(opened.send("GET", "today") for _ in range(5)), return_exceptions=True
        )
        answered.set()

        assert [type(other) for other in others] == [UpstreamUnavailableError] * 5
        assert (await trial).status == 200
        assert len(server.received) == 1
        assert not opened.counters.is_open
        assert (await opened.send("GET", "today")).status == 200

    async def test_that_fails_opens_it_again(self, server: LocalServer, opened: Upstream) -> None:
        await fail(opened, 2)

        assert len(server.received) == 1
        assert opened.counters.openings == 2

    async def test_that_is_cancelled_opens_it_again(
        self, server: LocalServer, opened: Upstream
    ) -> None:
        server.answers(hang)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await opened.send("GET", "today")
        with pytest.raises(UpstreamUnavailableError):
            await opened.send("GET", "today")

    async def test_that_is_answered_with_a_refusal_closes_it(
        self, server: LocalServer, opened: Upstream
    ) -> None:
        server.answers(reply(404))
        with capture_logs() as lines, pytest.raises(UpstreamFailedError):
            await opened.send("GET", "today")

        assert {"event": "circuit closed", "log_level": "info", "upstream": "weather"} in lines
        assert not opened.counters.is_open

    async def test_that_is_not_sent_decides_nothing(
        self, server: LocalServer, opened: Upstream
    ) -> None:
        server.answers(reply(content_encoding="gzip"))
        await fail(opened, 1)

        assert opened.counters.is_open
