import asyncio

import pytest

from app.infrastructure.http_client.errors import (
    AddressRefusedError,
    UpstreamFailedError,
    UpstreamTimeoutError,
)
from app.infrastructure.http_client.settings import HttpClientSettings
from tests.infrastructure.http_client.conftest import clients_with, loopback
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


class TestPost:
    async def test_sends_what_it_is_given_and_returns_whatever_is_answered(
        self, server: LocalServer
    ) -> None:
        server.answers(reply(410, b"gone", x_reason="sold"))
        async with clients_with(loopback(server)) as clients:
            answer = await clients.guarded.post(
                f"{server.url}/hook?a=1", b"{}", {"X-Signature": "s"}
            )

        assert (answer.status, answer.content) == (410, b"gone")
        assert answer.headers["x-reason"] == "sold"
        (received,) = server.received
        assert (received.method, received.target, received.body) == ("POST", "/hook?a=1", b"{}")
        assert received.headers["x-signature"] == "s"
        assert received.headers["user-agent"] == "Kitchen"

    async def test_follows_no_redirect(self, server: LocalServer) -> None:
        server.answers(reply(307, location="/elsewhere"))
        async with clients_with(loopback(server)) as clients:
            answer = await clients.guarded.post(server.url, b"{}")

        assert answer.status == 307
        assert len(server.received) == 1

    async def test_waits_as_long_as_it_is_told(self, server: LocalServer) -> None:
        server.answers(drip)
        async with clients_with(loopback(server)) as clients:
            with pytest.raises(UpstreamTimeoutError):
                await clients.guarded.post(server.url, b"{}", deadline_seconds=0.05)


class TestCheck:
    async def test_sends_nothing(self, server: LocalServer) -> None:
        async with clients_with(loopback(server)) as clients:
            await clients.guarded.check(f"{server.url}/hook")

        assert server.connections == 0

    @pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://", "http://a:99999999/", "x"])
    async def test_refuses_what_a_call_would_be_refused_with(self, url: str) -> None:
        async with clients_with() as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.check(url)

    async def test_has_an_end(self) -> None:
        async def never(_: str, __: int) -> list[str]:
            return await asyncio.Future()

        settings = HttpClientSettings(deadline_seconds=0.01)
        async with clients_with(settings, resolve=never) as clients:
            with pytest.raises(UpstreamTimeoutError):
                await clients.guarded.check("http://www.example.com/")


class TestGet:
    async def test_follows_redirects_up_to_a_number(self, server: LocalServer) -> None:
        hop = reply(302, location="/next?a=1")
        server.answers(hop, hop, hop, reply(body=b"here"))
        async with clients_with(loopback(server)) as clients:
            answer = await clients.guarded.get(server.url, headers={"X-Key": "k"})

        assert answer.content == b"here"
        assert [it.target for it in server.received] == ["/", *["/next?a=1"] * 3]
        assert [it.headers["x-key"] for it in server.received] == ["k"] * 4

    async def test_ends_a_loop(self, server: LocalServer) -> None:
        server.answers(reply(301, location="/"))
        async with clients_with(loopback(server)) as clients:
            with pytest.raises(UpstreamFailedError):
                await clients.guarded.get(server.url)

        assert len(server.received) == 4

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/",
            "http://127.0.0.2/",
            "//10.0.0.1/",
            "http://localhost:22/",
            "file:///etc/passwd",
            "http://ada:hunter2@127.0.0.1:{port}/",
        ],
    )
    async def test_looks_at_each_redirect_again(self, server: LocalServer, location: str) -> None:
        server.answers(reply(302, location=location.format(port=server.port)))
        async with clients_with(loopback(server)) as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get(server.url)

        assert len(server.received) == 1

    async def test_takes_a_redirect_to_nowhere_for_a_failure(self, server: LocalServer) -> None:
        server.answers(reply(302, location="http://[::1"))
        async with clients_with(loopback(server)) as clients:
            with pytest.raises(UpstreamFailedError):
                await clients.guarded.get(server.url)

    async def test_gives_another_host_none_of_the_headers(self, server: LocalServer) -> None:
        server.answers(
            reply(302, location=f"http://two.example:{server.port}/"),
            reply(302, location=f"http://one.example:{server.port}/"),
            reply(),
        )

        async def resolve(_: str, __: int) -> list[str]:
            return ["127.0.0.1"]

        async with clients_with(loopback(server), resolve=resolve) as clients:
            await clients.guarded.get(
                f"http://one.example:{server.port}/", headers={"X-Key": "hunter2"}
            )

        assert [it.headers.get("x-key") for it in server.received] == ["hunter2", None, None]


class TestFailure:
    @pytest.mark.parametrize("behaviour", [cut, mumble, gush, reply(content_encoding="gzip")])
    async def test_is_no_answer_that_can_be_used(
        self, server: LocalServer, behaviour: Behaviour
    ) -> None:
        server.answers(behaviour)
        settings = loopback(server).model_copy(update={"max_answer_bytes": 10_000})
        async with clients_with(settings) as clients:
            with pytest.raises(UpstreamFailedError):
                await clients.guarded.post(server.url, b"")

        assert len(server.received) == 1

    @pytest.mark.parametrize("behaviour", [hang, drip])
    async def test_is_no_answer_in_time(self, server: LocalServer, behaviour: Behaviour) -> None:
        server.answers(behaviour)
        settings = loopback(server).model_copy(update={"deadline_seconds": 0.05})
        async with clients_with(settings) as clients:
            with pytest.raises(UpstreamTimeoutError):
                await clients.guarded.post(server.url, b"")

    async def test_is_redirects_that_take_too_long_together(self, server: LocalServer) -> None:
        hop = reply(302, location="/")
        server.answers(hop, hang)
        settings = loopback(server).model_copy(update={"deadline_seconds": 0.1})
        async with clients_with(settings) as clients:
            with pytest.raises(UpstreamTimeoutError):
                await clients.guarded.get(server.url)
