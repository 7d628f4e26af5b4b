"""What the middleware does together; each one's own rules are tested beside it."""

from collections.abc import AsyncGenerator
from typing import Annotated

import pytest
from fastapi import APIRouter, Body, Response
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.core.feature import Feature
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

ORIGIN = "https://app.example"

router = APIRouter()


@router.get("/text")
async def text(length: int) -> str:
    return "x" * (length - 2)  # and the quotes


@router.get("/tagged")
async def tagged(response: Response) -> str:
    response.headers["ETag"] = '"1"'
    return "x" * 2000


@router.post("/text")
async def measure(text: Annotated[str, Body()]) -> int:
    return len(text)


@router.get("/defect")
async def fail() -> None:
    raise ZeroDivisionError


FEATURE = Feature(name="text", routers=(router,), exposed_headers=("X-Length",))


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    settings = FixedSettings(
        environment="test",
        cors={"origins": [ORIGIN], "allow_credentials": True},
        request={"max_body_bytes": 1024},
        trusted={"hosts": ["test"]},
    )
    async with serving(settings, [FEATURE]) as client:
        yield client


@pytest.fixture(scope="module")
async def open_client() -> AsyncGenerator[AsyncClient]:
    """Any origin may call, without credentials."""
    settings = FixedSettings(environment="test", cors={"origins": "*"})
    async with serving(settings, [FEATURE]) as client:
        yield client


@pytest.fixture(scope="module")
async def closed_client() -> AsyncGenerator[AsyncClient]:
    """No other origin may call; the default."""
    async with serving(FixedSettings(environment="test"), [FEATURE]) as client:
        yield client


class TestEveryResponse:
    @pytest.mark.parametrize(
        ("method", "path", "host", "body", "status"),
        [
            ("GET", "text?length=3", "test", b"", 200),
            ("GET", "text?length=x", "test", b"", 422),
            ("GET", "nosuch", "test", b"", 404),
            ("DELETE", "text", "test", b"", 405),
            ("GET", "text?length=3", "elsewhere", b"", 400),
            ("POST", "text", "test", b"x" * 1025, 413),
            ("GET", "defect", "test", b"", 500),
        ],
    )
    async def test_is_named_decorated_and_logged(
        self, client: AsyncClient, method: str, path: str, host: str, body: bytes, status: int
    ) -> None:
        with capture_logs() as lines:
            response = await client.request(
                method, path, content=body, headers={"host": host, "origin": ORIGIN}
            )

        assert response.status_code == status
        assert len(response.headers["x-request-id"]) == 32
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in response.headers["vary"]
        assert [line["status"] for line in lines if line["event"] == "request"] == [status]
        if status >= 400:
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["request_id"] == response.headers["x-request-id"]

    async def test_carries_each_header_once(self, client: AsyncClient) -> None:
        response = await client.get("text?length=3", headers={"origin": ORIGIN})
        names = [name.lower() for name, _ in response.headers.multi_items()]

        assert sorted(names) == sorted(set(names))


class TestCors:
    async def test_answers_the_preflight_of_a_known_origin(self, client: AsyncClient) -> None:
        response = await client.options(
            "text",
            headers={
                "origin": ORIGIN,
                "access-control-request-method": "PATCH",
                "access-control-request-headers": "authorization,content-type,x-request-id",
            },
        )

        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
        allowed = response.headers["access-control-allow-headers"]
        assert allowed == "authorization,content-type,x-request-id"

    async def test_refuses_the_preflight_of_an_unknown_origin(self, client: AsyncClient) -> None:
        response = await client.options(
            "text",
            headers={"origin": "https://evil.example", "access-control-request-method": "GET"},
        )

        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers

    async def test_does_not_let_an_unknown_origin_read(self, client: AsyncClient) -> None:
        response = await client.get("text?length=3", headers={"origin": "https://evil.example"})

        assert "access-control-allow-origin" not in response.headers

    async def test_lets_scripts_read_our_headers(self, client: AsyncClient) -> None:
        response = await client.get("text?length=3", headers={"origin": ORIGIN})

        assert response.headers["access-control-expose-headers"] == (
            "X-Request-ID, Retry-After, Location, ETag, X-Length"
        )

    async def test_lets_any_origin_read_without_credentials(self, open_client: AsyncClient) -> None:
        response = await open_client.get("text?length=3", headers={"origin": ORIGIN})

        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers

    async def test_is_silent_without_origins(self, closed_client: AsyncClient) -> None:
        response = await closed_client.get("text?length=3", headers={"origin": ORIGIN})
        preflight = await closed_client.options(
            "text", headers={"origin": ORIGIN, "access-control-request-method": "GET"}
        )

        assert response.status_code == 200
        assert preflight.status_code == 405
        for answer in (response, preflight):
            assert not [name for name in answer.headers if name.startswith("access-control")]


class TestGzip:
    @pytest.mark.parametrize(
        ("length", "accepted", "encoding"),
        [
            (1000, "gzip", "gzip"),
            (999, "gzip", None),
            (1000, "identity", None),
        ],
    )
    async def test_compresses_long_answers_for_those_who_accept_it(
        self, client: AsyncClient, length: int, accepted: str, encoding: str | None
    ) -> None:
        response = await client.get(f"text?length={length}", headers={"accept-encoding": accepted})

        assert response.headers.get("content-encoding") == encoding
        assert len(response.content) == length

    @pytest.mark.parametrize(("accepted", "etag"), [("gzip", 'W/"1"'), ("identity", '"1"')])
    async def test_weakens_a_strong_entity_tag_of_what_it_compresses(
        self, client: AsyncClient, accepted: str, etag: str
    ) -> None:
        """The compressed bytes are others (RFC 9110, 8.8.3.3)."""
        response = await client.get("tagged", headers={"accept-encoding": accepted})

        assert response.headers["etag"] == etag
