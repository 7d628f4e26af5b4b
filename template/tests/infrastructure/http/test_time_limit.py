"""How long a request may take."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Body, Request
from fastapi.responses import StreamingResponse
from httpx2 import AsyncClient, Response
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.infrastructure.http.time_limit import time_limit, uninterrupted
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

# Over before anybody could do anything; and never within a test.
AT_ONCE, NEVER = 0.001, 600

router = APIRouter()
undone: list[str] = []
released = threading.Event()


async def hang() -> None:
    await asyncio.Event().wait()


@router.get("/hanging")
async def hanging() -> None:
    try:
        await hang()
    finally:
        undone.append("hanging")


@router.get("/stubborn")
async def stubborn() -> None:
    """Makes something else of being cancelled."""
    try:
        await hang()
    except asyncio.CancelledError:
        raise ZeroDivisionError from None


@router.get("/failing")
async def failing() -> None:
    raise TimeoutError


@router.get("/committing")
async def committing() -> str:
    """Takes longer than the limit where it may not be interrupted."""
    with uninterrupted():
        with uninterrupted():
            await asyncio.sleep(10 * AT_ONCE)
        await asyncio.sleep(10 * AT_ONCE)
    return "committed"


@router.get("/hanging-afterwards")
async def hanging_afterwards() -> None:
    with uninterrupted():
        await asyncio.sleep(0)
    await hang()


@router.get("/patient", dependencies=[time_limit(NEVER)])
async def patient() -> str:
    await asyncio.sleep(10 * AT_ONCE)
    return "done"


@router.get("/unlimited", dependencies=[time_limit(None)])
async def unlimited() -> str:
    await asyncio.sleep(10 * AT_ONCE)
    return "done"


@router.get("/impatient", dependencies=[time_limit(AT_ONCE)])
async def impatient() -> None:
    await hang()


@router.get("/streaming")
async def streaming() -> StreamingResponse:
    async def words() -> AsyncGenerator[str]:
        for _ in range(3):
            await asyncio.sleep(10 * AT_ONCE)
            yield "word "

    return StreamingResponse(words())


@router.post("/text")
async def measure(text: Annotated[str, Body()]) -> int:
    return len(text)


@router.post("/raw")
async def measure_raw(request: Request) -> int:
    return len(await request.body())


@router.get("/thread")
def in_a_thread() -> None:
    released.wait()


FEATURE = Feature(name="slow", routers=(router,))


@pytest.fixture(scope="module")
async def hurried() -> AsyncGenerator[AsyncClient]:
    settings = FixedSettings(environment="test", request={"timeout_seconds": AT_ONCE})
    async with serving(settings, [FEATURE]) as client:
        yield client


@pytest.fixture(scope="module")
async def calm() -> AsyncGenerator[AsyncClient]:
    settings = FixedSettings(environment="test", request={"timeout_seconds": NEVER})
    async with serving(settings, [FEATURE]) as client:
        yield client


def is_timeout(response: Response) -> bool:
    return response.status_code == 503 and response.json()["type"] == "urn:problem:request.timeout"


class TestLimit:
    async def test_answers_with_a_problem_and_undoes_the_work(self, hurried: AsyncClient) -> None:
        undone.clear()
        with capture_logs() as lines:
            response = await hurried.get("hanging")

        assert response.status_code == 503
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["retry-after"] == "5"
        body = response.json()
        assert body.pop("request_id") == response.headers["x-request-id"]
        assert body == {
            "type": "urn:problem:request.timeout",
            "title": "The request took too long",
            "status": 503,
            "detail": "The answer was not ready in time, and the work on it was given up.",
            "instance": "/api/v1/hanging",
        }
        assert undone == ["hanging"]
        assert lines[0] == {
            "event": "request cancelled",
            "log_level": "warning",
            "limit_seconds": AT_ONCE,
        }

    async def test_says_so_whatever_the_work_made_of_it(self, hurried: AsyncClient) -> None:
        with capture_logs():
            assert is_timeout(await hurried.get("stubborn"))

    async def test_leaves_a_function_in_a_thread_behind(self, hurried: AsyncClient) -> None:
        with capture_logs():
            response = await hurried.get("thread")
        released.set()

        assert is_timeout(response)

    async def test_leaves_what_is_in_time_alone(self, calm: AsyncClient) -> None:
        assert (await calm.post("text", json="tea")).json() == 3

    async def test_does_not_answer_for_the_timeouts_of_others(self, calm: AsyncClient) -> None:
        with capture_logs():
            response = await calm.get("failing")

        assert response.status_code == 500

    async def test_may_be_another_one_for_a_route(
        self, calm: AsyncClient, hurried: AsyncClient
    ) -> None:
        with capture_logs():
            assert is_timeout(await calm.get("impatient"))
        assert (await hurried.get("patient")).json() == "done"
        assert (await hurried.get("unlimited")).json() == "done"

    async def test_may_be_none_at_all(self) -> None:
        settings = FixedSettings(environment="test", request={"timeout_seconds": 0})
        async with serving(settings, [FEATURE]) as client:
            assert (await client.get("unlimited")).json() == "done"

    async def test_does_not_count_for_an_answer_that_has_begun(self, hurried: AsyncClient) -> None:
        response = await hurried.get("streaming")

        assert (response.status_code, response.text) == (200, "word word word ")


class TestUninterrupted:
    async def test_ends_what_has_begun(self, hurried: AsyncClient) -> None:
        response = await hurried.get("committing")

        assert (response.status_code, response.json()) == (200, "committed")

    async def test_starts_the_clock_anew_afterwards(self, hurried: AsyncClient) -> None:
        with capture_logs():
            assert is_timeout(await hurried.get("hanging-afterwards"))

    async def test_does_nothing_outside_of_requests(self) -> None:
        with uninterrupted():
            await asyncio.sleep(0)


class TestBody:
    @pytest.mark.parametrize("path", ["text", "raw"])
    async def test_that_stops_arriving_is_refused(self, hurried: AsyncClient, path: str) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield b'"te'
            await hang()

        response = await hurried.post(path, content=pieces())

        assert response.status_code == 408
        assert response.headers["connection"] == "close"
        assert response.json()["detail"] == "The rest of the request body did not arrive in time."

    async def test_may_take_longer_in_all(self) -> None:
        """Each piece sets the clock anew."""
        seconds = 1
        settings = FixedSettings(environment="test", request={"timeout_seconds": seconds})

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(5):
                await asyncio.sleep(seconds / 4)
                yield b"x"

        async with serving(settings, [FEATURE]) as client:
            response = await client.post("raw", content=pieces())

        assert response.json() == 5
