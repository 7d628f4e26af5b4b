from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.settings import CommaSeparated, SettingsGroup

Network = IPv4Network | IPv6Network

# This machine, and the networks where platforms hand out credentials.
_NEVER_DEPLOYED = tuple(
    ip_network(network)
    for network in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/127", "fe80::/10")
)
_LAST_PORT = 65535


def _are_networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for item in value:
        try:
            ip_network(item)
        except ValueError:
            raise ValueError("must be networks such as 10.0.5.0/24 or 127.0.0.1/32") from None
    return value


def _are_ports(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(item.isdecimal() and 0 < int(item) <= _LAST_PORT for item in value):
        raise ValueError("must be ports such as 443")
    return value


def _is_proxy(value: SecretStr) -> SecretStr:
    url = urlsplit(value.get_secret_value())
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    return value


def _overlap(one: Network, other: Network) -> bool:
    if isinstance(one, IPv4Network):
        return isinstance(other, IPv4Network) and one.overlaps(other)
    return isinstance(other, IPv6Network) and one.overlaps(other)


Seconds = Annotated[float, Field(gt=0)]


class HttpClientSettings(SettingsGroup):
    """Read from `HTTP_CLIENT_*`."""

    connect_timeout_seconds: Seconds = 2
    """A host that is there answers within a round trip; a lost packet is sent again after a
    second, so this allows for one."""
    read_timeout_seconds: Seconds = 5
    """Between two pieces of an answer."""
    write_timeout_seconds: Seconds = 5
    pool_timeout_seconds: Seconds = 1
    """For a connection of the pool. When all are in use, more requests would only wait too."""
    deadline_seconds: Seconds = 10
    """For a whole call, its retries and the waits between them included: well below the 30 seconds
    after which load balancers give up on the request that waits for it."""
    max_connections: Annotated[int, Field(ge=1)] = 100
    """Of each process, to all hosts together."""
    max_idle_connections: Annotated[int, Field(ge=0)] = 20
    """Kept for the next request. The others cost a new handshake and close after use."""
    idle_seconds: Annotated[float, Field(ge=0)] = 4
    """How long they are kept: Node.js, of the common servers the first, hangs up after 5."""
    max_answer_bytes: Annotated[int, Field(ge=1)] = 5 * 1024 * 1024
    """5 MiB: answers are JSON of some kB, and each is held in memory."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Of a request that may be repeated, the first included; what three do not get is down."""
    backoff_seconds: Seconds = 0.1
    """The longest wait before the second attempt; it doubles for each further one. The wait is
    random below that, so that those that failed together do not come back together."""
    max_backoff_seconds: Seconds = 2
    """The longest wait of all. Who asks for more patience (`Retry-After`) is not asked again."""
    retry_ratio: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Retries at most, for each request: with everything down, the load grows by a fifth instead
    of threefold."""
    retry_reserve: Annotated[int, Field(ge=0)] = 10
    """Retries beyond that, for those who ask seldom."""
    circuit_failures: Annotated[int, Field(ge=1)] = 5
    """One after the other, then nothing is sent for a while: two calls with all their attempts."""
    circuit_open_seconds: Seconds = 30
    """That while; then one request tries. A restart takes about as long."""
    ca_file: Path | None = None
    """Authorities to trust beside those of the machine, for services with certificates of your
    own."""
    proxy_url: Annotated[SecretStr, AfterValidator(_is_proxy)] | None = None
    """`http://user:password@host:3128`, where nothing gets out but through it. `HTTPS_PROXY` and
    the like do not count: what another program needs must not decide where secrets go."""
    allowed_networks: Annotated[CommaSeparated, AfterValidator(_are_networks)] = ()
    """That addresses from outside may lead to although they are not public: `127.0.0.1/32` while
    you develop."""
    allowed_ports: Annotated[CommaSeparated, AfterValidator(_are_ports)] = ("80", "443")
    """That addresses from outside may name: behind others are seldom web servers."""
    max_redirects: Annotated[int, Field(ge=0)] = 3
    """Of a GET to an address from outside: to https, to www and to the page of a language."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.max_backoff_seconds < self.backoff_seconds:
            raise ValueError("HTTP_CLIENT_MAX_BACKOFF_SECONDS is below HTTP_CLIENT_BACKOFF_SECONDS")
        return self

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ip_network(item) for item in self.allowed_networks)

    @property
    def ports(self) -> frozenset[int]:
        return frozenset(int(item) for item in self.allowed_ports)

    def refusals(self) -> list[str]:
        if not any(_overlap(one, other) for one in self.networks for other in _NEVER_DEPLOYED):
            return []
        refusal = (
            "HTTP_CLIENT_ALLOWED_NETWORKS must not hold this machine (127.0.0.0/8, ::1) or where "
            "platforms keep credentials (169.254.0.0/16): strangers name the addresses."
        )
        return [refusal]
