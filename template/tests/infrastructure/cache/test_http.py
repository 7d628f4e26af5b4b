from collections.abc import AsyncGenerator, AsyncIterator
from hashlib import blake2b

import pytest
from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from httpx2 import AsyncClient
from starlette.middleware import Middleware
from starlette.types import Message

from app.core.feature import Feature
from app.infrastructure.cache.http import (
    NOT_MODIFIED,
    CachingPolicy,
    ConditionalMiddleware,
    cacheable,
)
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

router = APIRouter()
PUBLIC = cacheable(CachingPolicy.public(3600, vary=("Accept-Language",)))
BODY = b'"sunny"'
ETAG = f'"{blake2b(BODY, digest_size=16).hexdigest()}"'


@router.get("/public", dependencies=[PUBLIC], responses=NOT_MODIFIED)
async def read_public() -> str:
    return "sunny"


@router.get("/cookie", dependencies=[PUBLIC])
async def set_cookie(response: Response) -> str:
    response.set_cookie("seen", "1")
    return "sunny"


@router.api_route("/private", methods=["GET", "HEAD", "POST"], dependencies=[cacheable()])
async def read_private() -> str:
    return "sunny"


@router.get("/brief", dependencies=[cacheable(CachingPolicy.private(60))])
async def read_briefly() -> str:
    return "sunny"


@router.get("/own", dependencies=[PUBLIC])
async def read_own(response: Response) -> str:
    response.headers["ETag"] = 'W/"7"'
    response.headers["Cache-Control"] = "public, immutable"
    return "sunny"


@router.get("/plain")
async def read_plain() -> str:
    return "sunny"


@router.get("/error/{status}", dependencies=[PUBLIC])
async def fail(status: int) -> None:
    raise HTTPException(status)


@router.get("/created", dependencies=[PUBLIC], status_code=201)
async def create() -> str:
    return "sunny"


@router.get("/empty", dependencies=[PUBLIC])
async def read_nothing() -> Response:
    return PlainTextResponse("")


@router.get("/streamed", dependencies=[PUBLIC])
async def stream() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"sun"
        yield b"ny"

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    weather = Feature(
        name="weather", routers=(router,), middleware=(Middleware(ConditionalMiddleware),)
    )
    async with serving(FixedSettings(environment="test"), [weather]) as client:
        yield client


class TestPolicy:
    async def test_public_lets_everybody_keep_it(self, client: AsyncClient) -> None:
        response = await client.get("public")

        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=3600"
        assert response.headers["vary"] == "Accept-Language"
        assert response.headers["etag"] == ETAG

    @pytest.mark.parametrize("header", ["authorization", "cookie"])
    async def test_public_is_private_for_who_shows_credentials(
        self, client: AsyncClient, header: str
    ) -> None:
        response = await client.get("public", headers={header: "a=b"})

        assert response.headers["cache-control"] == "private, no-cache"
        assert response.headers["vary"] == "Authorization, Cookie"

    async def test_public_is_private_with_a_new_cookie(self, client: AsyncClient) -> None:
        response = await client.get("cookie")
        client.cookies.clear()

        assert response.headers["cache-control"] == "private, no-cache"

    @pytest.mark.parametrize(
        ("path", "expected"), [("private", "private, no-cache"), ("brief", "private, max-age=60")]
    )
    async def test_private_is_for_the_caller_alone(
        self, client: AsyncClient, path: str, expected: str
    ) -> None:
        response = await client.get(path)

        assert response.headers["cache-control"] == expected
        assert response.headers["vary"] == "Authorization, Cookie"

    async def test_leaves_the_routes_own_headers_alone(self, client: AsyncClient) -> None:
        response = await client.get("own")

        assert response.headers["cache-control"] == "public, immutable"
        assert response.headers["etag"] == 'W/"7"'

    async def test_is_not_for_other_routes(self, client: AsyncClient) -> None:
        response = await client.get("plain", headers={"if-none-match": "*"})

        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers

    @pytest.mark.parametrize(
        ("path", "status"),
        [("error/404", 404), ("error/500", 500), ("error/x", 422), ("created", 201)],
    )
    async def test_is_not_for_errors_nor_other_answers_than_200(
        self, client: AsyncClient, path: str, status: int
    ) -> None:
        response = await client.get(path, headers={"if-none-match": "*"})

        assert response.status_code == status
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers

    async def test_is_not_for_changes(self, client: AsyncClient) -> None:
        response = await client.post("private", headers={"if-none-match": "*"})

        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers


class TestIfNoneMatch:
    @pytest.mark.parametrize(
        "value",
        [ETAG, f"W/{ETAG}", f'"a", {ETAG}', f'"a,b",W/{ETAG} , "c"', "*", " * "],
        ids=["same", "weak", "list", "weak in a list", "any", "any with blanks"],
    )
    async def test_that_names_the_answer_is_answered_304(
        self, client: AsyncClient, value: str
    ) -> None:
        response = await client.get("public", headers={"if-none-match": value})

        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["etag"] == ETAG
        assert response.headers["cache-control"] == "public, max-age=3600"
        assert response.headers["vary"] == "Accept-Language"
        assert "x-request-id" in response.headers
        assert not {"content-type", "content-length"} & set(response.headers)

    async def test_may_come_in_several_headers(self, client: AsyncClient) -> None:
        headers = [("if-none-match", '"a"'), ("if-none-match", ETAG)]

        assert (await client.get("public", headers=headers)).status_code == 304

    @pytest.mark.parametrize(
        "value",
        ['"a"', '""', "", ETAG.strip('"'), f'"*", {ETAG[:-2]}"', "W/*", '"', "\x80"],
        ids=repr,
    )
    async def test_that_names_another_is_answered_in_full(
        self, client: AsyncClient, value: str
    ) -> None:
        response = await client.get("public", headers=[(b"if-none-match", value.encode("latin-1"))])

        assert response.status_code == 200
        assert response.content == BODY

    async def test_knows_the_routes_own_tag(self, client: AsyncClient) -> None:
        response = await client.get("own", headers={"if-none-match": '"7"'})

        assert response.status_code == 304
        assert response.headers["etag"] == 'W/"7"'

    async def test_holds_for_an_empty_body(self, client: AsyncClient) -> None:
        etag = (await client.get("empty")).headers["etag"]

        assert (await client.get("empty", headers={"if-none-match": etag})).status_code == 304

    async def test_of_a_streamed_answer_has_nothing_to_compare(self, client: AsyncClient) -> None:
        response = await client.get("streamed", headers={"if-none-match": "*"})

        assert (response.status_code, response.content) == (200, b"sunny")
        assert response.headers["cache-control"] == "public, max-age=3600"
        assert "etag" not in response.headers


class TestHead:
    async def test_has_the_headers_of_get(self, client: AsyncClient) -> None:
        got, head = await client.get("private"), await client.head("private")

        names = ("etag", "cache-control", "vary", "content-length", "content-type")
        assert {name: head.headers[name] for name in names} == {
            name: got.headers[name] for name in names
        }

    async def test_is_answered_304_too(self, client: AsyncClient) -> None:
        response = await client.head("private", headers={"if-none-match": ETAG})

        assert (response.status_code, response.content) == (304, b"")


async def test_connections_without_a_method_pass() -> None:
    """A WebSocket has no method."""
    passed: list[str] = []

    async def app(scope: object, receive: object, send: object) -> None:  # noqa: ARG001 (ASGI)
        passed.append("through")

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None: ...

    await ConditionalMiddleware(app)({"type": "websocket"}, receive, send)

    assert passed == ["through"]
