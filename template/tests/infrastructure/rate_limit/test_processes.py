"""Two real servers on one Redis."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from app.infrastructure.redis.settings import RedisSettings
from tests.servers import free_port, until_open

from .sample import PATIENT

ROOT = Path(__file__).parents[3]


def serve(redis: RedisSettings, *, trusted: str) -> tuple[subprocess.Popen[bytes], int]:
    assert redis.url is not None
    port = free_port()
    application = "tests.infrastructure.rate_limit.sample:from_environment"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "uvicorn", "--factory", application, "--port", str(port)],
        cwd=ROOT,
        env={
            **os.environ,
            "REDIS_URL": redis.url.get_secret_value(),
            "REDIS_PREFIX": redis.prefix,
            "FORWARDED_ALLOW_IPS": trusted,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, port


@pytest.fixture
def urls(real_redis_settings: RedisSettings) -> Generator[list[str]]:
    """The first believes what a proxy at our address says, the second does not."""
    servers = [serve(real_redis_settings, trusted=it) for it in ("127.0.0.1", "192.0.2.1")]
    try:
        for process, port in servers:
            until_open(process, port)
        yield [f"http://127.0.0.1:{port}" for _, port in servers]
    finally:
        for process, _ in servers:
            process.terminate()
            process.wait()


def test_a_limit_counts_across_processes_and_by_the_address_that_is_trusted(
    urls: list[str],
) -> None:
    trusting, wary = (f"{url}/api/v1/orders/1" for url in urls)

    # Five an hour, however they are spread, and whatever the client says it is.
    direct = [
        httpx2.get(
            url,
            timeout=PATIENT,
            headers={"x-forwarded-for": f"203.0.113.{n}"} if url == wary else {},
        )
        for n, url in enumerate([trusting, wary, trusting, wary, trusting, wary, trusting])
    ]
    # The proxy adds the address it sees to what the client made up.
    proxied = [
        httpx2.get(
            trusting, timeout=PATIENT, headers={"x-forwarded-for": f"198.51.100.{n}, 203.0.113.77"}
        )
        for n in range(6)
    ]

    assert [it.status_code for it in direct] == [200] * 5 + [429] * 2
    assert [it.status_code for it in proxied] == [200] * 5 + [429]
