from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

# A provider gives each customer at least so much of IPv6 (RFC 6177), who can call from all of it.
_IPV6_PREFIX = 64


def address_of(connection: HTTPConnection) -> str:
    """The network address that a request is put down to, as the server or a trusted proxy names it.

    All whose address is not known share one.
    """
    return _counted("" if connection.client is None else connection.client.host)


@lru_cache(maxsize=4096)
def _counted(host: str) -> str:
    try:
        address = ip_address(host)
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), _IPV6_PREFIX), strict=False).network_address)
