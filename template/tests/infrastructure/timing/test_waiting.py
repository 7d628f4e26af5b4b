import asyncio

import pytest

from app.infrastructure.timing.waiting import backoff_seconds, happens_within

pytestmark = pytest.mark.anyio


class TestHappensWithin:
    async def test_what_happens(self) -> None:
        event = asyncio.Event()
        asyncio.get_running_loop().call_soon(event.set)

        assert await happens_within(event, 10) is True

    async def test_what_does_not(self) -> None:
        assert await happens_within(asyncio.Event(), 0.001) is False


class TestBackoff:
    @pytest.mark.parametrize(
        ("failures", "longest"), [(1, 2), (2, 4), (3, 8), (7, 128), (8, 200), (100_000, 200)]
    )
    def test_doubles_up_to_the_longest_less_up_to_a_half(
        self, failures: int, longest: float
    ) -> None:
        waits = [backoff_seconds(failures, first=2, longest=200) for _ in range(200)]

        assert longest / 2 <= min(waits) < max(waits) <= longest
