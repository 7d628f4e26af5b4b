import pytest
from starlette.requests import HTTPConnection

from app.infrastructure.rate_limit.addresses import address_of


def counted(host: str | None) -> str:
    client = None if host is None else (host, 123)
    return address_of(HTTPConnection({"type": "http", "client": client}))


class TestAddressOf:
    def test_is_that_of_the_client(self) -> None:
        assert counted("203.0.113.9") == "203.0.113.9"

    def test_is_one_for_a_network_of_ipv6(self) -> None:
        """Else its owner could call from each of 2^64 addresses."""
        assert counted("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::"
        assert counted("2001:db8:1:2::ffff") == "2001:db8:1:2::"
        assert counted("2001:db8:1:3::1") == "2001:db8:1:3::"

    def test_is_the_same_for_ipv4_in_ipv6(self) -> None:
        assert counted("::ffff:203.0.113.9") == "203.0.113.9"

    @pytest.mark.parametrize("host", [None, "", "testclient", "1.2.3.4, 5.6.7.8", "x" * 10_000])
    def test_is_shared_by_all_who_have_none(self, host: str | None) -> None:
        assert counted(host) == "unknown"
