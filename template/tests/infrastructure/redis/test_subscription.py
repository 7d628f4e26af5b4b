import asyncio
from collections.abc import Callable

import pytest
import structlog
from structlog.testing import capture_logs

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.outage import OutageGuard
from app.infrastructure.redis.subscription import Subscription

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)


class TestSubscription:
    async def test_hears_its_channels_and_asks_a_silent_server(
        self, redis_clients: RedisClients
    ) -> None:
        heard: list[str] = []
        requests: list[str | None] = []

        async def meet() -> None:
            heard.append("contact")
            requests.append(structlog.contextvars.get_contextvars().get("request_id"))

        def hear(channel: str, said: bytes) -> None:
            heard.append(f"{channel.rpartition(':')[2]} {said.decode()}")

        redis = redis_clients.of()
        assert redis is not None
        channels = tuple(map(redis_clients.key, ("tea", "cake")))
        guard = OutageGuard("tea")
        subscription = Subscription(redis, channels, guard, silence_seconds=0.05)
        # It is for all requests, whichever was the first.
        with structlog.contextvars.bound_contextvars(request_id="abcdef-0123"):
            await subscription.listen(hear, meet)
        with capture_logs() as lines:
            # Not a text: another release may say it otherwise.
            await redis.publish(channels[0], b"\xff")
            await redis.publish(channels[1], "one")
            await until(lambda: heard == ["contact", "cake one"])
        # The server answers nobody: it is silent, and the connection stays.
        await redis.client_pause(300)
        # Nobody knows what was missed.
        await until(lambda: heard == ["contact", "cake one", "contact"])
        await subscription.aclose()

        assert requests == [None, None]
        assert [line["log_level"] for line in lines] == ["error"]
