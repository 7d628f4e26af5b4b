from collections.abc import AsyncGenerator
from typing import NoReturn

import pytest
from fastapi import APIRouter
from httpx2 import AsyncClient
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.core.routing import ProbePath
from app.infrastructure.logging.access import AccessLogMiddleware
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

router = APIRouter()
root = APIRouter()


@router.get("/things/{number}")
async def read(number: int) -> int:
    return number


@router.get("/defect")
async def fail() -> None:
    raise ZeroDivisionError


@root.get("/health/probe")
async def probe() -> str:
    return "ok"


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    feature = Feature(
        name="things",
        routers=(router,),
        root_routers=(root,),
        extensions=(ProbePath("/health/"),),
    )
    async with serving(FixedSettings(environment="test"), [feature]) as client:
        yield client


async def never(*_: object) -> NoReturn:
    raise AssertionError("nothing is received or sent")


class TestAccessLog:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/things/7", 200),
            ("GET", "/api/v1/things/x", 422),
            ("GET", "/api/v1/nosuch", 404),
            ("DELETE", "/api/v1/things/7", 405),
            ("GET", "/health", 404),
        ],
    )
    async def test_has_one_line_for_a_request(
        self, client: AsyncClient, method: str, path: str, status: int
    ) -> None:
        with capture_logs() as lines:
            await client.request(method, f"http://test{path}?token=hunter2")

        (line,) = lines
        duration = line.pop("duration_ms")
        assert 0 < duration < 10_000
        assert line == {
            "event": "request",
            "log_level": "info",
            "method": method,
            "path": path,
            "status": status,
            "client": "127.0.0.1",
        }

    async def test_tells_of_a_defect(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            await client.get("defect")

        assert [(line["event"], line.get("status")) for line in lines] == [
            ("unhandled error", None),
            ("request", 500),
        ]

    async def test_is_silent_about_probes(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            response = await client.get("http://test/health/probe")

        assert response.status_code == 200
        assert lines == []

    async def test_tells_of_a_request_that_was_broken_off(self) -> None:
        async def broken(_: Scope, __: Receive, ___: Send) -> None:
            raise ConnectionResetError

        scope = {"type": "http", "method": "GET", "path": "/"}
        with capture_logs() as lines, pytest.raises(ConnectionResetError):
            await AccessLogMiddleware(broken)(scope, never, never)

        (line,) = lines
        assert (line["path"], line["status"], line["client"]) == ("/", 500, None)

    async def test_is_silent_about_what_is_not_http(self) -> None:
        async def application(scope: Scope, _: Receive, __: Send) -> None:
            assert scope == {"type": "lifespan"}

        with capture_logs() as lines:
            await AccessLogMiddleware(application)({"type": "lifespan"}, never, never)

        assert lines == []
