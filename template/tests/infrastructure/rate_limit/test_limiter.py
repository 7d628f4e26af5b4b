from collections.abc import Sequence
from uuid import UUID

import pytest
from starlette.requests import HTTPConnection

from app.core.extensions import Extensions
from app.infrastructure.rate_limit.errors import TooManyRequestsError
from app.infrastructure.rate_limit.limiter import DECISIONS, RateLimiter
from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.settings import RateLimitSettings
from app.infrastructure.rate_limit.stores import LimitStore, MemoryStore, Taken
from tests.support import counted

pytestmark = pytest.mark.anyio

STRANGER = HTTPConnection({"type": "http", "client": ("203.0.113.9", 1)})


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class TestRetryAfter:
    @pytest.mark.parametrize("limit", ["1/second", "3/minute", "7/hour"])
    async def test_is_true(self, limit: str) -> None:
        """Who comes back then is let through, in a full window and in one that half counts."""
        clock = Clock()
        limiter = RateLimiter(MemoryStore(clock), RateLimitSettings(anonymous=limit), Extensions())
        for _ in range(5):
            refusal = await used_up(limiter)
            clock.now += refusal.retry_after_seconds

            assert await limiter.check(STRANGER, None, {}) is not None
            clock.now += refusal.retry_after_seconds / 3

    async def test_is_not_too_long(self) -> None:
        clock = Clock()
        limiter = RateLimiter(
            MemoryStore(clock), RateLimitSettings(anonymous="3/minute"), Extensions()
        )
        first = await used_up(limiter)
        clock.now += 59.9
        second = await used_up(limiter)

        assert (first.retry_after_seconds, second.retry_after_seconds) == (61, 1)


class Unreachable(LimitStore):
    async def take(self, limits: Sequence[tuple[str, RateLimit]]) -> Taken | None:  # noqa: ARG002
        return None


class TestUncounted:
    async def test_are_requests_without_a_store(self) -> None:
        limiter = RateLimiter(Unreachable(), RateLimitSettings(), Extensions())
        with counted(DECISIONS) as decisions:
            standings = [await limiter.check(STRANGER, None, {}) for _ in range(3)]

        assert standings == [None] * 3
        assert decisions == {("uncounted",): 3}


class TestDecisions:
    async def test_are_counted(self) -> None:
        limiter = RateLimiter(MemoryStore(), RateLimitSettings(anonymous="3/minute"), Extensions())
        with counted(DECISIONS) as decisions:
            await used_up(limiter)

        assert decisions == {("allowed",): 3, ("refused",): 1}


class TestKeys:
    async def test_show_nothing_of_the_caller(self) -> None:
        store = MemoryStore()
        limiter = RateLimiter(store, RateLimitSettings(), Extensions())
        await limiter.check(STRANGER, None, {})

        (key,) = store.keys()
        assert UUID(key).hex == key


async def used_up(limiter: RateLimiter) -> TooManyRequestsError:
    """Ask until it refuses."""
    while True:
        try:
            await limiter.check(STRANGER, None, {})
        except TooManyRequestsError as exc:
            return exc
