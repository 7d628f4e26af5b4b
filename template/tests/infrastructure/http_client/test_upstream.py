import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from app.infrastructure.http_client.clients import HttpClients
from app.infrastructure.http_client.errors import (
    UpstreamError,
    UpstreamFailedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from app.infrastructure.http_client.settings import HttpClientSettings
from app.infrastructure.http_client.upstream import Upstream
from tests.infrastructure.http_client.conftest import Pauses, clients_with, weather
from tests.infrastructure.http_client.servers import (
    Behaviour,
    LocalServer,
    cut,
    drip,
    gush,
    hang,
    mumble,
    reply,
)

pytestmark = pytest.mark.anyio


class Forecast(BaseModel):
    celsius: float


WARM = reply(body=b'{"celsius": 21}')


class TestAnswer:
    async def test_is_what_was_agreed(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(WARM)
        upstream = weather(clients, server, pauses)
        forecasts = [
            await upstream.get("/today", model=Forecast, params={"city": "Turin"}),
            await upstream.post("today", model=Forecast, json={"celsius": 21}),
            await upstream.put("today", model=Forecast, json={"celsius": 21}),
            await upstream.patch("today", model=Forecast, headers={"x-key": "other"}),
        ]
        await upstream.delete("today")

        assert forecasts == [Forecast(celsius=21)] * 4
        assert [(it.method, it.target, it.body) for it in server.received] == [
            ("GET", "/v1/today?city=Turin", b""),
            ("POST", "/v1/today", b'{"celsius":21}'),
            ("PUT", "/v1/today", b'{"celsius":21}'),
            ("PATCH", "/v1/today", b""),
            ("DELETE", "/v1/today", b""),
        ]
        assert [it.headers["x-key"] for it in server.received] == [
            *["hunter2"] * 3,
            "other",
            "hunter2",
        ]

    async def test_may_be_a_list(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(body=b'[{"celsius": 21}]'))
        upstream = weather(clients, server, pauses)

        assert await upstream.get("week", model=list[Forecast]) == [Forecast(celsius=21)]

    @pytest.mark.parametrize(
        "body", [b"", b"hunter2", b'{"hunter2": 1}', b'{"celsius": "hunter2"}']
    )
    async def test_that_was_not_agreed_is_a_failure_and_shown_nowhere(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, body: bytes
    ) -> None:
        server.answers(reply(body=body))
        upstream = weather(clients, server, pauses)
        with capture_logs() as lines, pytest.raises(UpstreamFailedError) as caught:
            await upstream.get("today", model=Forecast)

        assert caught.value.status == 200
        assert "hunter2" not in f"{caught.value!r} {lines}"
        assert lines[-1]["event"] == "an upstream's answer is not valid"
        assert (len(server.received), upstream.counters.failures) == (1, 1)


class TestPath:
    async def test_is_filled_with_what_stays_one_segment(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        upstream = weather(clients, server, pauses)
        await upstream.send("GET", "cities/{city}/now", values={"city": "../a b?c#d/é{x}"})

        assert [it.target for it in server.received] == [
            "/v1/cities/..%2Fa%20b%3Fc%23d%2F%C3%A9%7Bx%7D/now"
        ]

    @pytest.mark.parametrize("city", ["", ".", ".."])
    async def test_is_not_filled_with_what_leads_elsewhere(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, city: str
    ) -> None:
        upstream = weather(clients, server, pauses)
        with pytest.raises(UpstreamFailedError) as caught:
            await upstream.send("GET", "cities/{city}", values={"city": city})

        assert caught.value.status == 404
        assert server.received == []

    @pytest.mark.parametrize(
        "base_url",
        ["api.example.com", "ftp://h", "https://", "https://a:b@h", "https://h?a", "https://h#a"],
    )
    async def test_has_a_base(self, clients: HttpClients, base_url: str) -> None:
        with pytest.raises(ValueError, match=r"^the base of weather must be such as https://"):
            Upstream("weather", base_url, clients.pooled, HttpClientSettings())


class TestFailure:
    @pytest.mark.parametrize(
        ("behaviour", "expected", "status", "sent"),
        [
            (reply(302, location="/"), UpstreamFailedError, 302, 1),
            (reply(401), UpstreamFailedError, 401, 1),
            (reply(404), UpstreamFailedError, 404, 1),
            (reply(501), UpstreamFailedError, 501, 1),
            (reply(500), UpstreamFailedError, 500, 3),
            (reply(503), UpstreamFailedError, 503, 3),
            (reply(429), UpstreamUnavailableError, 429, 3),
            (reply(content_encoding="gzip"), UpstreamFailedError, None, 1),
            (gush, UpstreamFailedError, None, 1),
            (cut, UpstreamFailedError, None, 3),
            (mumble, UpstreamFailedError, None, 3),
        ],
    )
    async def test_is_named_and_retried_by_its_kind(
        self,
        server: LocalServer,
        pauses: Pauses,
        behaviour: Behaviour,
        expected: type[UpstreamError],
        status: int | None,
        sent: int,
    ) -> None:
        server.answers(behaviour)
        async with clients_with(HttpClientSettings(max_answer_bytes=10_000)) as clients:
            upstream = weather(clients, server, pauses)
            with capture_logs() as lines, pytest.raises(expected) as caught:
                await upstream.send("GET", "today?key=hunter2")

        assert caught.value.status == status
        assert (len(server.received), upstream.counters.retries) == (sent, sent - 1)
        assert upstream.counters.failures == 1
        assert lines[-1] == {
            "event": "upstream failed",
            "log_level": "warning",
            "upstream": "weather",
            "error": caught.value.code,
            "status": status,
        }
        assert "hunter2" not in str(lines)

    async def test_to_connect_is_retried(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.port = 1
        upstream = weather(clients, server, pauses)
        with pytest.raises(UpstreamFailedError):
            await upstream.send("GET", "today")

        assert pauses == [0.1, 0.2]

    @pytest.mark.parametrize("behaviour", [hang, drip])
    async def test_to_answer_in_time_ends_with_the_deadline(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, behaviour: Behaviour
    ) -> None:
        server.answers(behaviour)
        upstream = weather(clients, server, pauses, deadline_seconds=0.1)
        with pytest.raises(UpstreamTimeoutError):
            await upstream.send("GET", "today")

        assert len(server.received) == 1
        assert pauses == []

    async def test_of_our_own_pool_is_not_theirs(self, server: LocalServer, pauses: Pauses) -> None:
        server.answers(reply(body=b"", content_length="2"), reply())
        settings = HttpClientSettings(pool_timeout_seconds=0.01, max_connections=1)
        async with clients_with(settings) as clients:
            upstream = weather(clients, server, pauses, circuit_failures=1)
            async with clients.pooled.stream("GET", server.url):
                with pytest.raises(UpstreamUnavailableError) as caught:
                    await upstream.send("GET", "today")

        assert caught.value.retry_after_seconds == 1
        assert not upstream.counters.is_open


class TestRetry:
    async def test_gets_what_comes_after_a_moment(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(500), cut, WARM)
        upstream = weather(clients, server, pauses)
        forecast = await upstream.get("today", model=Forecast)

        assert forecast == Forecast(celsius=21)
        assert pauses == [0.1, 0.2]
        assert (upstream.counters.requests, upstream.counters.retries) == (1, 2)
        assert upstream.counters.failures == 0

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    async def test_is_not_for_what_might_be_done_twice(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, method: str
    ) -> None:
        server.answers(reply(503), reply())
        with pytest.raises(UpstreamFailedError):
            await weather(clients, server, pauses).send(method, "orders")

        assert len(server.received) == 1

    async def test_is_for_what_the_caller_vouches_for(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(503), reply())
        upstream = weather(clients, server, pauses)
        await upstream.send(
            "POST", "orders", json=[1], headers={"X-Order": "7"}, is_idempotent=True
        )

        assert [(it.body, it.headers["x-order"]) for it in server.received] == [(b"[1]", "7")] * 2

    async def test_can_be_declined(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(503), reply())
        with pytest.raises(UpstreamFailedError):
            await weather(clients, server, pauses).send("GET", "next", is_idempotent=False)

    @pytest.mark.parametrize("status", [429, 503])
    async def test_waits_for_as_long_as_it_is_asked(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses, status: int
    ) -> None:
        server.answers(reply(status, retry_after="2"), reply())
        await weather(clients, server, pauses).send("GET", "today")

        assert pauses == [2.1]

    @pytest.mark.parametrize(("asked", "passed_on"), [("30", 30), ("99999", 3600)])
    async def test_does_not_wait_for_long_and_says_how_long_that_is(
        self,
        clients: HttpClients,
        server: LocalServer,
        pauses: Pauses,
        asked: str,
        passed_on: int,
    ) -> None:
        server.answers(reply(429, retry_after=asked), reply())
        with pytest.raises(UpstreamUnavailableError) as caught:
            await weather(clients, server, pauses).send("GET", "today")

        assert caught.value.retry_after_seconds == passed_on
        assert pauses == []

    async def test_does_not_outlast_the_deadline(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(503, retry_after="2"), reply())
        upstream = weather(clients, server, pauses, deadline_seconds=2)
        with pytest.raises(UpstreamFailedError):
            await upstream.send("GET", "today")

        assert len(server.received) == 1

    async def test_is_not_what_makes_an_outage_worse(
        self, clients: HttpClients, server: LocalServer, pauses: Pauses
    ) -> None:
        server.answers(reply(503))
        upstream = weather(clients, server, pauses, retry_reserve=2, circuit_failures=1000)
        for _ in range(50):
            with pytest.raises(UpstreamFailedError):
                await upstream.send("GET", "today")

        assert len(server.received) == 50 + 2 + 9
        assert (upstream.counters.retries, upstream.counters.failures) == (11, 50)
