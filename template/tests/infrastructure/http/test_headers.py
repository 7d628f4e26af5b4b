import re
from collections.abc import AsyncGenerator
from typing import NoReturn

import pytest
import structlog
from fastapi import APIRouter, Request, Response
from httpx2 import AsyncClient
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.infrastructure.http.headers import RequestIdMiddleware, SecurityHeadersMiddleware
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

DEFAULT_CSP = "default-src 'none'; frame-ancestors 'none'"

router = APIRouter()


@router.get("/plain")
async def plain(request: Request) -> str:
    structlog.get_logger("test").info("in the route")
    return str(request.state.request_id)


@router.get("/page")
async def page(response: Response) -> str:
    response.headers["Content-Security-Policy"] = "default-src 'self'"
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Referrer-Policy"] = "same-origin"
    return "page"


FEATURE = Feature(name="headers", routers=(router,))


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    async with serving(FixedSettings(environment="test"), [FEATURE]) as client:
        yield client


class Recorder:
    """An ASGI application that notes what it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, _: Receive, __: Send) -> None:
        self.scopes.append(scope)


async def never(*_: object) -> NoReturn:
    raise AssertionError("nothing is received or sent")


class TestRequestId:
    @pytest.mark.parametrize(
        "inbound", ["a" * 8, "a" * 128, "0f8fad5b-d9cb-469f-a165-70867728950e", "A.b_c-123"]
    )
    async def test_keeps_a_valid_one(self, client: AsyncClient, inbound: str) -> None:
        response = await client.get("plain", headers={"x-request-id": inbound})

        assert response.headers["x-request-id"] == inbound
        assert response.json() == inbound

    @pytest.mark.parametrize(
        "inbound",
        [b"", b"short12", b"a" * 129, b"with blank", b"semi;colon", b"<script>", b"\xc3\xa9" * 8],
    )
    async def test_replaces_an_invalid_one(self, client: AsyncClient, inbound: bytes) -> None:
        response = await client.get("plain", headers=[(b"x-request-id", inbound)])

        assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
        assert response.json() == response.headers["x-request-id"]

    async def test_makes_another_one_for_each_request(self, client: AsyncClient) -> None:
        first, second = await client.get("plain"), await client.get("plain")

        assert first.headers["x-request-id"] != second.headers["x-request-id"]

    async def test_is_in_every_log_line_of_the_request_and_in_no_other(
        self, client: AsyncClient
    ) -> None:
        with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
            await client.get("plain", headers={"x-request-id": "request-0001"})
            structlog.get_logger("test").info("after it")

        assert [(line["event"], line.get("request_id")) for line in lines] == [
            ("in the route", "request-0001"),
            ("request", "request-0001"),
            ("after it", None),
        ]

    async def test_names_a_websocket_too(self) -> None:
        inner = Recorder()
        await RequestIdMiddleware(inner)({"type": "websocket", "headers": []}, never, never)

        assert re.fullmatch(r"[0-9a-f]{32}", inner.scopes[0]["state"]["request_id"])

    async def test_leaves_the_lifespan_alone(self) -> None:
        inner = Recorder()
        await RequestIdMiddleware(inner)({"type": "lifespan"}, never, never)

        assert inner.scopes == [{"type": "lifespan"}]


class TestSecurityHeaders:
    async def test_are_on_every_response(self, client: AsyncClient) -> None:
        headers = (await client.get("plain")).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["permissions-policy"] == (
            "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        )
        assert headers["content-security-policy"] == DEFAULT_CSP
        assert headers["cache-control"] == "no-store"

    async def test_leave_the_policies_of_a_route_alone(self, client: AsyncClient) -> None:
        headers = (await client.get("page")).headers

        assert headers.get_list("content-security-policy") == ["default-src 'self'"]
        assert headers.get_list("cache-control") == ["public, max-age=60"]
        assert headers.get_list("referrer-policy") == ["same-origin"]
        assert headers["x-frame-options"] == "DENY"

    @pytest.mark.parametrize(
        ("scheme", "seconds", "expected"),
        [
            ("https", 31_536_000, "max-age=31536000; includeSubDomains"),
            ("https", 60, "max-age=60; includeSubDomains"),
            ("https", 0, None),
            ("http", 31_536_000, None),
        ],
    )
    async def test_insist_on_https_over_https_only(
        self, scheme: str, seconds: int, expected: str | None
    ) -> None:
        settings = FixedSettings(environment="test", security={"hsts_seconds": seconds})
        async with serving(settings, [FEATURE], base_url=f"{scheme}://test") as client:
            response = await client.get("plain")

        assert response.headers.get("strict-transport-security") == expected

    async def test_leave_what_is_not_http_alone(self) -> None:
        inner = Recorder()
        middleware = SecurityHeadersMiddleware(inner, hsts_seconds=60)
        await middleware({"type": "websocket", "scheme": "wss"}, never, never)

        assert inner.scopes == [{"type": "websocket", "scheme": "wss"}]
