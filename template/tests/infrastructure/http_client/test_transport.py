import ssl
from pathlib import Path

import httpx2
import pytest
import structlog
import trustme
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.infrastructure.http_client.clients import HttpClients, tls_context
from app.infrastructure.http_client.settings import HttpClientSettings
from app.infrastructure.http_client.transport import UnwantedAnswerError
from tests.infrastructure.http_client.conftest import clients_with
from tests.infrastructure.http_client.servers import (
    Behaviour,
    LocalServer,
    drip,
    gush,
    hang,
    local_server,
    reply,
)

pytestmark = pytest.mark.anyio

IMPATIENT = HttpClientSettings(deadline_seconds=0.1)
SMALL = HttpClientSettings(max_answer_bytes=10)


class TestRequest:
    async def test_says_who_asks_and_wants_no_compression(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        await clients.pooled.get(server.url)

        (received,) = server.received
        assert received.headers["user-agent"] == "Kitchen"
        assert received.headers["accept-encoding"] == "identity"
        assert "x-request-id" not in received.headers

    async def test_carries_the_id_of_the_request_that_causes_it(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        with structlog.contextvars.bound_contextvars(request_id="request-0001"):
            await clients.pooled.get(server.url)
            await clients.pooled.get(server.url, headers={"X-Request-ID": "own-0001"})

        ids = [received.headers["x-request-id"] for received in server.received]
        assert ids == ["request-0001", "own-0001"]

    async def test_shares_a_connection_with_the_one_before(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        for _ in range(3):
            await clients.pooled.get(server.url)

        assert server.connections == 1

    async def test_does_not_carry_the_cookies_of_others(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        server.answers(reply(set_cookie="account=ada"))
        for _ in range(2):
            await clients.pooled.get(server.url)

        assert [received.headers.get("cookie") for received in server.received] == [None, None]

    async def test_ends_at_a_redirect(self, clients: HttpClients, server: LocalServer) -> None:
        server.answers(reply(302, location="/elsewhere"))
        response = await clients.pooled.get(server.url)

        assert response.status_code == 302
        assert len(server.received) == 1

    async def test_ignores_proxies_that_are_meant_for_others(
        self, server: LocalServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        async with clients_with() as clients:
            response = await clients.pooled.get(server.url)

        assert response.status_code == 200

    async def test_goes_through_the_proxy_that_is_set(self, server: LocalServer) -> None:
        settings = HttpClientSettings(proxy_url=SecretStr(server.url))
        async with clients_with(settings) as clients:
            await clients.pooled.get("http://weather.example/today")

        assert [it.target for it in server.received] == ["http://weather.example/today"]


class TestDeadline:
    @pytest.mark.parametrize("behaviour", [hang, drip])
    async def test_ends_what_takes_too_long(
        self, server: LocalServer, behaviour: Behaviour
    ) -> None:
        server.answers(behaviour)
        async with clients_with(IMPATIENT) as clients:
            with pytest.raises(httpx2.ReadTimeout, match=r"^the deadline has passed$"):
                await clients.pooled.get(server.url)

    async def test_may_be_the_request_s_own(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        server.answers(drip)
        with pytest.raises(httpx2.ReadTimeout, match=r"^the deadline has passed$"):
            await clients.pooled.get(server.url, extensions={"deadline_seconds": 0.1})


class TestSize:
    async def test_is_fine_up_to_the_limit(self, server: LocalServer) -> None:
        server.answers(reply(body=b"0123456789"))
        async with clients_with(SMALL) as clients:
            response = await clients.pooled.get(server.url)

        assert response.content == b"0123456789"

    @pytest.mark.parametrize("behaviour", [reply(body=b"0123456789a"), gush])
    async def test_beyond_the_limit_is_refused_announced_or_not(
        self, server: LocalServer, behaviour: Behaviour
    ) -> None:
        server.answers(behaviour)
        async with clients_with(SMALL) as clients:
            with pytest.raises(UnwantedAnswerError, match=r"^more than 10 bytes$"):
                await clients.pooled.get(server.url)

    async def test_may_be_the_request_s_own(self, server: LocalServer) -> None:
        server.answers(reply(body=b"0123456789a"))
        async with clients_with(SMALL) as clients:
            response = await clients.pooled.get(server.url, extensions={"max_bytes": 11})

        assert response.content == b"0123456789a"

    async def test_of_what_head_only_announces_does_not_count(self, server: LocalServer) -> None:
        server.answers(reply(body=b"", content_length="1000000"))
        async with clients_with(SMALL) as clients:
            response = await clients.pooled.head(server.url)

        assert response.status_code == 200

    async def test_of_a_compressed_answer_is_unknown(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        server.answers(reply(content_encoding="gzip"))
        with pytest.raises(UnwantedAnswerError, match=r"^compressed"):
            await clients.pooled.get(server.url)


class TestLog:
    async def test_has_a_line_without_what_may_be_secret(
        self, clients: HttpClients, server: LocalServer
    ) -> None:
        url = f"http://ada:hunter2@127.0.0.1:{server.port}/hunter2?key=hunter2"
        with capture_logs() as lines:
            await clients.pooled.get(url, headers={"Authorization": "hunter2"})

        (line,) = lines
        assert line.pop("duration_ms") > 0
        assert line == {
            "event": "outgoing request",
            "log_level": "info",
            "method": "GET",
            "host": "127.0.0.1",
            "status": 200,
        }

    async def test_names_the_failure_and_not_what_it_says(self, clients: HttpClients) -> None:
        with capture_logs() as lines, pytest.raises(httpx2.ConnectError):
            await clients.pooled.get("http://127.0.0.1:1/hunter2?key=hunter2")

        (line,) = lines
        assert line.pop("duration_ms") > 0
        assert line == {
            "event": "outgoing request failed",
            "log_level": "warning",
            "method": "GET",
            "host": "127.0.0.1",
            "error": "ConnectError",
        }


class TestTls:
    async def test_trusts_the_named_authority_and_no_stranger(self, tmp_path: Path) -> None:
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(tmp_path / "authority.pem")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issuer.issue_cert("127.0.0.1").configure_cert(context)
        settings = HttpClientSettings(ca_file=tmp_path / "authority.pem")

        async with local_server(reply(), tls=context) as server:
            async with clients_with(tls=tls_context(settings.ca_file)) as clients:
                response = await clients.pooled.get(server.url)
            async with clients_with(tls=tls_context(None)) as clients:
                with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                    await clients.pooled.get(server.url)

        assert response.status_code == 200
