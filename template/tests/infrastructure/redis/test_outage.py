import asyncio

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import OutOfMemoryError
from structlog.testing import capture_logs

from app.infrastructure.redis.outage import (
    FAILURES,
    RETRY_SECONDS,
    OutageGuard,
    OutOfReachError,
)
from tests.support import counted

pytestmark = pytest.mark.anyio


class Server:
    """Answers or does not; counts how often it was asked, and tells the time."""

    def __init__(self) -> None:
        self.is_up = True
        self.asked = 0
        self.now = 100.0
        self.guard = OutageGuard("kettles", timeout_seconds=0.05, clock=lambda: self.now)

    async def command(self) -> str:
        self.asked += 1
        if not self.is_up:
            raise RedisConnectionError("redis://ada:hunter2@host")
        return "answer"

    async def ask(self, *, is_urgent: bool = False) -> str:
        return await self.guard.run(self.command, "default", is_urgent=is_urgent)


class TestOutageGuard:
    async def test_passes_answers_on(self) -> None:
        server = Server()

        assert await server.ask() == "answer"
        assert not server.guard.is_down

    async def test_asks_now_and_then_while_there_is_no_answer(self) -> None:
        server = Server()
        server.is_up = False

        answers = [await server.ask() for _ in range(5)]
        asked_at_first = server.asked
        server.now += RETRY_SECONDS
        answers += [await server.ask() for _ in range(5)]

        assert set(answers) == {"default"}
        assert (asked_at_first, server.asked) == (1, 2)
        assert server.guard.is_down

    async def test_asks_what_is_urgent_in_any_case(self) -> None:
        server = Server()
        server.is_up = False
        await server.ask()
        server.is_up = True

        assert await server.ask(is_urgent=True) == "answer"
        assert await server.ask() == "answer"

    async def test_notices_when_the_server_is_back(self) -> None:
        server = Server()
        server.is_up = False
        await server.ask()
        server.is_up = True

        early = await server.ask()
        server.now += RETRY_SECONDS
        late = [await server.ask() for _ in range(2)]

        assert (early, late) == ("default", ["answer", "answer"])

    async def test_logs_the_beginning_and_the_end_without_the_address(self) -> None:
        server = Server()
        with capture_logs() as lines:
            server.is_up = False
            for _ in range(3):
                await server.ask()
                server.now += RETRY_SECONDS
            server.is_up = True
            for _ in range(3):
                await server.ask()

        assert lines == [
            {
                "event": "redis is out of reach",
                "purpose": "kettles",
                "error": "ConnectionError",
                "log_level": "warning",
            },
            {
                "event": "redis is back",
                "purpose": "kettles",
                "seconds": 3 * RETRY_SECONDS,
                "log_level": "info",
            },
        ]

    async def test_waits_for_an_answer_no_longer_than_told(self) -> None:
        guard = Server().guard

        async with asyncio.timeout(10):
            with pytest.raises(OutOfReachError):
                await guard.attempt(asyncio.Event().wait)

        assert (guard.is_down, guard.failures) == (True, 1)

    async def test_goes_on_asking_a_server_that_refuses(self) -> None:
        """It is full: what it has can be read."""
        server = Server()

        async def write() -> None:
            raise OutOfMemoryError

        with capture_logs() as lines, counted(FAILURES) as failures:
            for _ in range(3):
                with pytest.raises(OutOfReachError):
                    await server.guard.attempt(write)

        assert await server.ask() == "answer"
        assert (server.guard.is_down, server.guard.failures) == (False, 3)
        assert failures == {("kettles",): 3}
        assert lines == [
            {
                "event": "redis refuses",
                "purpose": "kettles",
                "error": "OutOfMemoryError",
                "log_level": "warning",
            }
        ]
