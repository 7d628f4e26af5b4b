import asyncio
import socket
from collections.abc import Generator
from time import monotonic

import pytest
from httpx2 import AsyncClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.redis import RedisServer

from .sample import serving_sample

pytestmark = pytest.mark.anyio

DOWN, UP = "redis is out of reach", "redis is back"


async def statuses(client: AsyncClient, count: int) -> list[int]:
    return [(await client.get("orders/1")).status_code for _ in range(count)]


class TestRedisOutOfReach:
    async def test_lets_requests_through_and_counts_again_by_itself(
        self, redis_server: RedisServer
    ) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url))
        with capture_logs() as lines:
            async with serving_sample(settings) as client:
                before = await statuses(client, 3)
                redis_server.stop()
                during = await statuses(client, 5)
                silent = await client.get("orders/1")
                redis_server.start()
                await _counted_again(client)
                after = await statuses(client, 2)
        said = [line for line in lines if line["event"] in {DOWN, UP}]

        assert (before, during) == ([200, 200, 429], [200] * 5)
        assert "ratelimit-limit" not in silent.headers
        # One request was counted to see that it is back.
        assert after == [200, 429]
        # One line for all of it.
        assert [line["event"] for line in said] == [DOWN, UP]
        assert [line["purpose"] for line in said] == ["rate limits"] * 2

    async def test_refuses_what_is_sensitive(self, redis_server: RedisServer) -> None:
        settings = RedisSettings(url=SecretStr(redis_server.url))
        redis_server.stop()
        async with serving_sample(settings) as client:
            responses = [await client.post("code") for _ in range(2)]
            general = await client.get("report")

        assert [it.status_code for it in responses] == [503, 503]
        assert responses[0].headers["retry-after"] == "2"
        assert responses[0].json()["type"] == "urn:problem:rate_limit.unavailable"
        assert general.status_code == 200

    async def test_holds_requests_up_for_a_moment_only(self, black_hole: RedisSettings) -> None:
        """The client alone would wait for a minute, and every request for the limiter's time."""
        async with serving_sample(black_hole, timeout_seconds=0.4) as client:
            started = monotonic()
            first = await asyncio.gather(*(client.get("orders/1") for _ in range(10)))
            waited = monotonic() - started
            started = monotonic()
            later = await statuses(client, 30)
            waited_later = monotonic() - started

        assert [it.status_code for it in first] == [200] * 10
        assert 0.4 <= waited < 30
        assert later == [200] * 30
        assert waited_later < 30 * 0.4


@pytest.fixture
def black_hole() -> Generator[RedisSettings]:
    """Accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        port = server.getsockname()[1]
        yield RedisSettings(url=SecretStr(f"redis://127.0.0.1:{port}/0"))


async def _counted_again(client: AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            if "ratelimit-limit" in (await client.get("orders/1")).headers:
                return
            await asyncio.sleep(0.01)  # two seconds between two tries
