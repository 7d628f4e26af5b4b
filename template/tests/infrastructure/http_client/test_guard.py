import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from app.infrastructure.http_client.clients import HttpClients, tls_context
from app.infrastructure.http_client.errors import AddressRefusedError, UpstreamFailedError
from app.infrastructure.http_client.guard import is_public
from app.infrastructure.http_client.settings import HttpClientSettings
from tests.infrastructure.http_client.conftest import clients_with, loopback
from tests.infrastructure.http_client.servers import LocalServer, local_server, reply

pytestmark = pytest.mark.anyio

PRIVATE = [
    "0.0.0.0",  # noqa: S104 (an address to refuse)
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00::1"]


class TestIsPublic:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_is_nothing_of_ours_or_nobody_s(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize("address", PUBLIC)
    def test_is_what_anybody_can_reach(self, address: str) -> None:
        assert is_public(ip_address(address))


class Names:
    """Resolves names of the test's own: each time to the next answer, then to the last."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class TestAddress:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:{port}/",
            "http://localhost:{port}/",
            "http://2130706433:{port}/",
            "http://0x7f.1:{port}/",
            "http://127.1:{port}/",
            "http://017700000001:{port}/",
            "http://0:{port}/",
            "http://[::1]:{port}/",
            "http://[::ffff:127.0.0.1]:{port}/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fd00:ec2::254]/",
            "http://10.0.0.1:443/",
        ],
    )
    async def test_of_our_own_network_is_refused_however_it_is_written(
        self, server: LocalServer, url: str
    ) -> None:
        settings = HttpClientSettings(allowed_ports=("80", "443", str(server.port)))
        async with clients_with(settings) as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get(url.format(port=server.port))

        assert server.received == []

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "/relative",
            "shop.example",
            "http://",
            "http:///path",
            "ftp://shop.example/",
            "file:///etc/passwd",
            "gopher://shop.example/",
            "http://ada:hunter2@shop.example/",
            "http://ada@shop.example/",
            "http://shop.example:22/",
            "https://shop.example:6379/",
            "http://shop.example:99999/",
            "http://[::1",
            "http://shop.example:0/",
            "http://sh\nop.example/",
        ],
    )
    async def test_must_be_one_of_a_usual_web_server(self, url: str) -> None:
        settings = HttpClientSettings(allowed_networks=("127.0.0.1/32",))
        async with clients_with(settings, resolve=Names(["127.0.0.1"])) as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.post(url, b"")

    async def test_may_be_in_a_network_that_is_allowed(self, server: LocalServer) -> None:
        async with clients_with(loopback(server)) as clients:
            answer = await clients.guarded.get(server.url)
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get(f"http://127.0.0.2:{server.port}/")

        assert answer.status == 200

    async def test_is_refused_with_one_answer_and_logged_with_the_reason(self) -> None:
        async with clients_with(resolve=Names(["10.0.0.1"])) as clients:
            with capture_logs() as lines:
                details = set()
                for url in ("http://intranet/", "ftp://intranet/", "http://intranet:22/"):
                    with pytest.raises(AddressRefusedError) as caught:
                        await clients.guarded.get(url)
                    details.add(caught.value.detail)

        assert len(details) == 1
        assert [line["reason"] for line in lines if line["event"] == "address refused"] == [
            "not a public address",
            "scheme, name or host",
            "port",
        ]


class TestName:
    @pytest.mark.parametrize(
        "addresses",
        [[], ["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["::ffff:1.1.1.1"]],
    )
    async def test_must_mean_public_addresses_alone(self, addresses: list[str]) -> None:
        async with clients_with(resolve=Names(addresses)) as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get("http://shop.example/")

    async def test_that_nobody_knows_is_refused_alike(self) -> None:
        async def unknown(_: str, __: int) -> Sequence[str]:
            raise OSError("Name or service not known")

        async with clients_with(resolve=unknown) as clients:
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get("http://intranet/")

    async def test_is_resolved_once_so_that_a_second_meaning_gains_nothing(
        self, server: LocalServer
    ) -> None:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        async with clients_with(loopback(server), resolve=names) as clients:
            answer = await clients.guarded.get(f"http://shop.example:{server.port}/")
            with pytest.raises(AddressRefusedError):
                await clients.guarded.get(f"http://shop.example:{server.port}/")

        assert answer.status == 200
        assert names.asked == [("shop.example", server.port)] * 2
        assert [it.headers["host"] for it in server.received] == [f"shop.example:{server.port}"]

    async def test_is_asked_anew_for_each_request(self, server: LocalServer) -> None:
        """A connection that is kept would be another's: two hosts may share an address."""
        async with clients_with(loopback(server), resolve=Names(["127.0.0.1"])) as clients:
            for host in ("one.example", "two.example"):
                await clients.guarded.get(f"http://{host}:{server.port}/")

        assert server.connections == 2

    async def test_with_several_addresses_takes_the_first_that_answers(
        self, server: LocalServer
    ) -> None:
        settings = HttpClientSettings(
            allowed_networks=("127.0.0.0/8",), allowed_ports=(str(server.port),)
        )
        names = Names(["127.0.0.2", "127.0.0.3", "127.0.0.1"])
        async with clients_with(settings, resolve=names) as clients:
            answer = await clients.guarded.post(f"http://shop.example:{server.port}/", b"order")

        assert answer.status == 200
        assert [it.body for it in server.received] == [b"order"]

    async def test_may_mean_an_ipv6_address(self) -> None:
        async with local_server(reply(), host="::1") as server:
            settings = HttpClientSettings(
                allowed_networks=("::1/128",), allowed_ports=(str(server.port),)
            )
            async with clients_with(settings, resolve=Names(["::1"])) as clients:
                named = await clients.guarded.get(f"http://shop.example:{server.port}/")
            async with clients_with(settings) as clients:
                literal = await clients.guarded.get(f"http://[::1]:{server.port}/")

        assert (named.status, literal.status) == (200, 200)
        assert [it.headers["host"] for it in server.received] == [
            f"shop.example:{server.port}",
            f"[::1]:{server.port}",
        ]

    async def test_has_an_end_to_its_addresses(self, server: LocalServer) -> None:
        settings = HttpClientSettings(
            allowed_networks=("127.0.0.0/8",), allowed_ports=(str(server.port),)
        )
        names = Names(["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"])
        async with clients_with(settings, resolve=names) as clients:
            with pytest.raises(UpstreamFailedError):
                await clients.guarded.get(f"http://shop.example:{server.port}/")

        assert server.received == []


class TestTls:
    async def test_is_with_the_host_and_not_with_its_number(self, tmp_path: Path) -> None:
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(tmp_path / "authority.pem")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        issuer.issue_cert("shop.example").configure_cert(context)
        tls = tls_context(tmp_path / "authority.pem")
        asked: list[str | None] = []
        context.sni_callback = lambda _, name, __: asked.append(name)

        async with (
            local_server(reply(), tls=context) as server,
            clients_with(loopback(server), tls=tls, resolve=Names(["127.0.0.1"])) as clients,
        ):
            answer = await clients.guarded.get(f"https://shop.example:{server.port}/")
            with pytest.raises(UpstreamFailedError):
                await clients.guarded.get(f"https://bank.example:{server.port}/")

        assert answer.status == 200
        assert asked == ["shop.example", "bank.example"]
        assert len(server.received) == 1


class TestHttpClients:
    async def test_know_each_upstream_once(self, clients: HttpClients) -> None:
        first = clients.upstream("maps", "https://maps.example")
        with pytest.raises(ValueError, match=r"^there is an upstream maps already$"):
            clients.upstream("maps", "https://other.example")

        assert clients.counters == {"maps": first.counters}
