"""Addresses that come from outside: where they may lead (server-side request forgery)."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from httpx2 import URL, AsyncBaseTransport, ConnectError, ConnectTimeout, Request, Response

from .errors import AddressRefusedError
from .settings import HttpClientSettings, Network

logger = structlog.get_logger()

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, best first; an `OSError` if it has none."""

_PORTS = {"http": 80, "https": 443}
# A host with many addresses that do not answer must not use up the time of them all.
_MAX_ADDRESSES = 3

# IANA's registry of special-purpose addresses and the multicast and reserved blocks, spelt out:
# what `ipaddress` calls private differs between versions of Python.
_REFUSED = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by the customers of a provider
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own services, for its machines alone
        "169.254.0.0/16",  # link-local, and the credentials of cloud machines
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "3fff::/20",
    )
)
# All that is given out. Outside of it are loopback, link-local, unique local and multicast
# addresses, and those that carry an IPv4 address (mapped, compatible, NAT64).
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _REFUSED)


class SystemResolver:
    """Asks the machine, on threads of its own.

    A name server of a stranger's may take its time, and the loop's threads are for others too.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await loop.run_in_executor(self._threads, ask)
        return [str(address[0]) for *_, address in found]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardTransport(AsyncBaseTransport):
    """Connects to public addresses only, and to the very address that was looked at.

    The name is resolved once, here, and the connection made to that number: a name that means
    another address the next time (DNS rebinding) gains nothing. The `Host` header, the name in the
    TLS handshake and the check of the certificate stay those of the host. Each redirect comes
    through here again. `inner` must keep no connections: those of two hosts at one address would be
    taken for each other's.
    """

    def __init__(
        self, inner: AsyncBaseTransport, settings: HttpClientSettings, resolve: Resolve
    ) -> None:
        self._inner = inner
        self._networks: tuple[Network, ...] = settings.networks
        self._ports = settings.ports
        self._resolve = resolve

    async def handle_async_request(self, request: Request) -> Response:
        host = request.url.raw_host.decode("ascii")
        addresses = await self.addresses(request.url)
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(_pinned(request, address, host))
            except (ConnectError, ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, addresses[-1], host))

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def addresses(self, url: URL) -> Sequence[str]:
        """What may be connected to for it; raises `AddressRefusedError`."""
        host = url.raw_host.decode("ascii")
        if url.scheme not in _PORTS or url.userinfo or not host:
            raise _refused("scheme, name or host")
        port = _PORTS[url.scheme] if url.port is None else url.port
        if port not in self._ports:
            raise _refused("port")
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise _refused("unknown host") from None
        # All of them: one public address among private ones is there to get past this check.
        if not found or not all(self._allows(address) for address in found):
            raise _refused("not a public address")
        return found[:_MAX_ADDRESSES]

    def _allows(self, address: str) -> bool:
        number = ip_address(address)
        return is_public(number) or any(number in network for network in self._networks)


def _pinned(request: Request, address: str, host: str) -> Request:
    return Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | {"sni_hostname": host},
    )


def _refused(reason: str) -> AddressRefusedError:
    logger.warning("address refused", reason=reason)
    return AddressRefusedError()
