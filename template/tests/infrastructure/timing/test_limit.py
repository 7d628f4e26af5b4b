import asyncio

import pytest

from app.infrastructure.timing.limit import time_limit

pytestmark = pytest.mark.anyio


class TooLateError(Exception):
    pass


class OutageError(Exception):
    pass


async def statement() -> None:
    """One that takes its cancelling for an outage."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise OutageError from None


class TestTimeLimit:
    async def test_says_that_it_took_too_long(self) -> None:
        with pytest.raises(TooLateError):
            async with time_limit(0.001, TooLateError):
                await asyncio.Event().wait()

    async def test_says_so_where_a_statement_says_otherwise(self) -> None:
        with pytest.raises(TooLateError):
            async with time_limit(0.001, TooLateError):
                await statement()

    async def test_says_what_went_wrong_in_time(self) -> None:
        with pytest.raises(OutageError):
            async with time_limit(10, TooLateError):
                raise OutageError

    async def test_does_not_answer_for_a_cancelled_task(self) -> None:
        async def work() -> None:
            async with time_limit(10, TooLateError):
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
