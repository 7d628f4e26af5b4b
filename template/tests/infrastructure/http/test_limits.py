from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Annotated, NoReturn

import pytest
from fastapi import APIRouter, Body, Request
from httpx2 import AsyncClient
from starlette.types import Receive, Scope, Send

from app.core.feature import Feature
from app.core.routing import ProbePath
from app.infrastructure.http.limits import BodyLimitMiddleware, TrustedHostMiddleware
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

router = APIRouter()
root = APIRouter()


@router.post("/text")
async def measure(text: Annotated[str, Body()]) -> int:
    return len(text)


@router.post("/raw")
async def measure_raw(request: Request) -> int:
    return len(await request.body())


@root.get("/health/probe")
async def probe() -> str:
    return "ok"


FEATURE = Feature(
    name="limited",
    routers=(router,),
    root_routers=(root,),
    extensions=(ProbePath("/health/"),),
)
PROBE = "http://test/health/probe"


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    """Takes bodies of 1024 bytes and answers for two hosts, their subdomains and an address."""
    settings = FixedSettings(
        environment="test",
        request={"max_body_bytes": 1024},
        trusted={"hosts": "test, API.example.com, *.example.org, [::1]"},
    )
    async with serving(settings, [FEATURE]) as client:
        yield client


class Untouched:
    """An ASGI application that only counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, _: Scope, __: Receive, ___: Send) -> None:
        self.calls += 1


async def never(*_: object) -> NoReturn:
    raise AssertionError("nothing is received or sent")


class TestTrustedHost:
    @pytest.mark.parametrize(
        "host",
        [
            "test",
            "test:8000",
            "TEST",
            "api.example.com",
            "API.example.com:443",
            "a.example.org",
            "a.b.Example.org:8080",
            "[::1]",
            "[::1]:8000",
        ],
    )
    async def test_answers_for_its_own(self, client: AsyncClient, host: str) -> None:
        response = await client.post("raw", headers={"host": host})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        "host",
        [
            "",
            "evil.example",
            "xapi.example.com",
            "www.api.example.com",
            "example.org",
            "evilexample.org",
            "a.example.org.evil.example",
            "test.evil.example",
            "test:80:80",
            "evil.example:test",
            "[::2]",
            "::1",
            "[",
        ],
    )
    async def test_refuses_others(self, client: AsyncClient, host: str) -> None:
        response = await client.post("raw", headers={"host": host})

        assert response.status_code == 400
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"] == (
            "This service does not answer for the host in the request."
        )

    async def test_lets_probes_in_by_address(self, client: AsyncClient) -> None:
        response = await client.get(PROBE, headers={"host": "10.0.0.7:8000"})

        assert response.status_code == 200

    async def test_answers_for_any_host_by_default(self) -> None:
        async with serving(FixedSettings(environment="test"), [FEATURE]) as client:
            response = await client.post("raw", headers={"host": "evil.example"})

        assert response.status_code == 200

    async def test_leaves_what_is_not_http_alone(self) -> None:
        inner = Untouched()
        await TrustedHostMiddleware(inner, allowed=("test",))({"type": "lifespan"}, never, never)

        assert inner.calls == 1


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size


class TestBodyLimit:
    @pytest.mark.parametrize("path", ["raw", "text"])
    async def test_refuses_what_announces_too_much(self, client: AsyncClient, path: str) -> None:
        response = await client.post(path, content=b"x" * 1025)

        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        body = response.json()
        assert body.pop("request_id")
        assert body == {
            "type": "about:blank",
            # Python 3.13 took over the newer name.
            "title": HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase,
            "status": 413,
            "detail": "The request body must not exceed 1024 bytes.",
            "instance": f"/api/v1/{path}",
        }

    async def test_does_not_read_what_announces_too_much(self) -> None:
        inner = Untouched()
        scope = {"type": "http", "method": "POST", "headers": [(b"content-length", b"11")]}
        with pytest.raises(Exception, match="413"):
            await BodyLimitMiddleware(inner, max_bytes=10)(scope, never, never)

        assert inner.calls == 0

    @pytest.mark.parametrize("sizes", [(1025,), (1024, 1), (600, 600, 600)])
    @pytest.mark.parametrize("path", ["raw", "text"])
    async def test_refuses_a_chunked_body_once_it_is_too_large(
        self, client: AsyncClient, path: str, sizes: tuple[int, ...]
    ) -> None:
        response = await client.post(path, content=chunks(*sizes))

        assert "content-length" not in response.request.headers
        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"

    async def test_does_not_believe_a_length_that_is_too_small(self, client: AsyncClient) -> None:
        response = await client.post("raw", content=chunks(1025), headers={"content-length": "10"})

        assert response.status_code == 413

    @pytest.mark.parametrize("length", [b"-1", b"x", b""])
    async def test_reads_on_after_a_senseless_length(
        self, client: AsyncClient, length: bytes
    ) -> None:
        headers = [(b"content-length", length)]

        assert (await client.post("raw", content=chunks(9), headers=headers)).json() == 9
        assert (await client.post("raw", content=chunks(1025), headers=headers)).status_code == 413

    async def test_takes_a_body_of_just_the_limit(self, client: AsyncClient) -> None:
        assert (await client.post("raw", content=b"x" * 1024)).json() == 1024
        assert (await client.post("raw", content=chunks(1000, 24))).json() == 1024

    async def test_leaves_what_is_not_http_alone(self) -> None:
        inner = Untouched()
        await BodyLimitMiddleware(inner, max_bytes=1)({"type": "lifespan"}, never, never)

        assert inner.calls == 1
