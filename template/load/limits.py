"""On which hosts load may be put, and when a run has failed."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit


def refusal(url: str | None, allowed: str) -> str | None:
    """Why no load is put on this address: a slip must not bring down what people use."""
    host = urlsplit(url or "").hostname
    if host is None:
        return "Name the service to put load on: --host http://127.0.0.1:8000"
    if host in {allowed.lower(), "localhost"} or _is_loopback(host):
        return None
    return (
        f"{host} is not this machine. If load may be put on it, name it once more: "
        f"--allow-host {host}"
    )


def failures(
    *,
    requests: int,
    failure_ratio: float,
    p95_ms: float,
    max_failure_ratio: float,
    max_p95_ms: float,
) -> Iterator[str]:
    if not requests:
        yield "no request was answered"
    if failure_ratio > max_failure_ratio:
        share, bound = 100 * failure_ratio, 100 * max_failure_ratio
        yield f"{share:.1f} % of the requests failed, more than {bound:.1f} %"
    if p95_ms > max_p95_ms:
        yield f"a twentieth of the requests took more than {p95_ms:.0f} ms, not {max_p95_ms:.0f} ms"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
