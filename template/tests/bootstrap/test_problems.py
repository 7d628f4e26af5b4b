import traceback
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from typing import Annotated, Any

import anyio
import pytest
from fastapi import APIRouter, Body, FastAPI, HTTPException, Query, Request, Response
from httpx2 import AsyncClient
from httpx2 import Response as Answer
from pydantic import Field, SecretStr
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.problems import ProblemMiddleware
from app.core.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from app.core.feature import Feature
from app.modules.common.schemas import RequestSchema
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

SECRET = "hunter2-hunter2"
REQUEST_ID = "request-0001"


class UnknownCookError(UnauthenticatedError):
    code, title = "kettle.unknown_cook", "Unknown cook"


class NotYoursError(ForbiddenError):
    code, title = "kettle.not_yours", "Not yours"


class NoKettleError(NotFoundError):
    code, title = "kettle.missing", "No kettle"


class BoilingError(ConflictError):
    code, title = "kettle.boiling", "Already boiling"


class TooOftenError(ThrottledError):
    code, title = "kettle.too_often", "Too often"


class NoPowerError(UnavailableError):
    code, title = "kettle.no_power", "No power"


class CategorylessError(DomainError):
    code, title = "kettle.broken", "Broken"


ERRORS: dict[str, Exception] = {
    "unknown": UnknownCookError("Say who you are."),
    "not-yours": NotYoursError("It is Ada's."),
    "missing": NoKettleError("No kettle has the number 7."),
    "boiling": BoilingError("It is on.", litres=2, since="noon"),
    "too-often": TooOftenError("Wait.", retry_after_seconds=30, limit=3),
    "no-power": NoPowerError("The grid is down.", retry_after_seconds=5, region="north"),
    "http-bare": HTTPException(418),
    "http-detail": HTTPException(409, "Two of them."),
    "http-headers": HTTPException(
        401, "Who?", headers={"WWW-Authenticate": 'Basic realm="x"', "Retry-After": "7"}
    ),
    "http-data": HTTPException(400, {"why": ["a", "b"]}),
    "defect": ZeroDivisionError(f"{SECRET} divided by zero"),
    "category": CategorylessError("No category."),
}


class Recipe(RequestSchema):
    name: Annotated[str, Field(max_length=5)]
    password: Annotated[SecretStr, Field(min_length=20)]


router = APIRouter()


@router.get("/errors/{name}")
async def fail(name: str) -> None:
    raise ERRORS[name]


@router.post("/recipes")
async def add_recipe(recipe: Recipe) -> str:
    return recipe.name


@router.get("/recipes")
async def list_recipes() -> str:
    return "all of them"


@router.post("/numbers")
async def add_numbers(numbers: Annotated[list[int], Body()], unit: Annotated[int, Query()]) -> int:
    return sum(numbers) * unit


@router.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield "one\n"
        raise ZeroDivisionError(SECRET)

    return StreamingResponse(lines(), media_type="text/plain")


async def plain(_: Request) -> Response:
    return Response("plain")


root = APIRouter()
root.add_route("/plain", plain)


class FailingMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/api/v1/middleware":
            raise BoilingError("Before the routes.")
        if scope["path"] == "/api/v1/middleware-defect":
            raise ZeroDivisionError(SECRET)
        await self.app(scope, receive, send)


FEATURE = Feature(
    name="kettle",
    routers=(router,),
    root_routers=(root,),
    middleware=(Middleware(FailingMiddleware),),
)


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    settings = FixedSettings(environment="test", cors={"origins": ["https://app.example"]})
    async with serving(settings, [FEATURE]) as client:
        client.headers |= {"x-request-id": REQUEST_ID, "origin": "https://app.example"}
        yield client


def problem(response: Answer) -> dict[str, Any]:
    """The body, after a look at what every problem has."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == REQUEST_ID
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body.pop("request_id") == REQUEST_ID
    assert body.pop("instance") == response.request.url.path
    return body


class TestDomainError:
    @pytest.mark.parametrize(
        ("name", "headers", "expected"),
        [
            (
                "unknown",
                {"www-authenticate": "Bearer"},
                {
                    "type": "urn:problem:kettle.unknown_cook",
                    "title": "Unknown cook",
                    "status": 401,
                    "detail": "Say who you are.",
                },
            ),
            (
                "not-yours",
                {},
                {
                    "type": "urn:problem:kettle.not_yours",
                    "title": "Not yours",
                    "status": 403,
                    "detail": "It is Ada's.",
                },
            ),
            (
                "missing",
                {},
                {
                    "type": "urn:problem:kettle.missing",
                    "title": "No kettle",
                    "status": 404,
                    "detail": "No kettle has the number 7.",
                },
            ),
            (
                "boiling",
                {},
                {
                    "type": "urn:problem:kettle.boiling",
                    "title": "Already boiling",
                    "status": 409,
                    "detail": "It is on.",
                    "litres": 2,
                    "since": "noon",
                },
            ),
            (
                "too-often",
                {"retry-after": "30"},
                {
                    "type": "urn:problem:kettle.too_often",
                    "title": "Too often",
                    "status": 429,
                    "detail": "Wait.",
                    "limit": 3,
                },
            ),
            (
                "no-power",
                {"retry-after": "5"},
                {
                    "type": "urn:problem:kettle.no_power",
                    "title": "No power",
                    "status": 503,
                    "detail": "The grid is down.",
                    "region": "north",
                },
            ),
        ],
    )
    async def test_is_answered_by_its_category(
        self, client: AsyncClient, name: str, headers: dict[str, str], expected: dict[str, Any]
    ) -> None:
        response = await client.get(f"errors/{name}")

        assert problem(response) == expected
        conditional = {"www-authenticate", "retry-after"} & response.headers.keys()
        assert {key: response.headers[key] for key in conditional} == headers

    async def test_from_a_middleware_is_answered_alike(self, client: AsyncClient) -> None:
        assert problem(await client.get("middleware")) == {
            "type": "urn:problem:kettle.boiling",
            "title": "Already boiling",
            "status": 409,
            "detail": "Before the routes.",
        }

    async def test_without_a_category_is_a_defect(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            response = await client.get("errors/category")

        assert lines[0]["event"] == "unhandled error"
        assert "CategorylessError derives from no error category" in str(lines[0]["exc_info"])
        assert problem(response)["status"] == 500


class TestHttpException:
    async def test_says_what_the_status_means(self, client: AsyncClient) -> None:
        assert problem(await client.get("errors/http-bare")) == {
            "type": "about:blank",
            "title": "I'm a Teapot",
            "status": 418,
        }

    async def test_keeps_its_detail(self, client: AsyncClient) -> None:
        assert problem(await client.get("errors/http-detail")) == {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "Two of them.",
        }

    async def test_keeps_a_structured_detail(self, client: AsyncClient) -> None:
        assert problem(await client.get("errors/http-data"))["detail"] == {"why": ["a", "b"]}

    async def test_keeps_its_headers(self, client: AsyncClient) -> None:
        response = await client.get("errors/http-headers")

        assert problem(response)["detail"] == "Who?"
        assert response.headers["www-authenticate"] == 'Basic realm="x"'
        assert response.headers["retry-after"] == "7"


class TestRouting:
    @pytest.mark.parametrize("url", ["nosuch", "http://test/nosuch", "http://test/", "recipes/"])
    async def test_answers_404_to_an_unknown_path(self, client: AsyncClient, url: str) -> None:
        response = await client.get(url)

        assert problem(response) == {"type": "about:blank", "title": "Not Found", "status": 404}

    async def test_answers_405_with_the_methods_there_are(self, client: AsyncClient) -> None:
        response = await client.delete("recipes")

        assert problem(response) == {
            "type": "about:blank",
            "title": "Method Not Allowed",
            "status": 405,
        }
        assert response.headers["allow"] == "GET, POST"

    async def test_answers_405_outside_the_api_too(self, client: AsyncClient) -> None:
        response = await client.post("http://test/plain")

        assert problem(response)["status"] == 405
        assert response.headers["allow"] == "GET, HEAD"

    async def test_sends_no_body_to_a_head_request(self, client: AsyncClient) -> None:
        response = await client.head("nosuch")

        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


class TestInvalidRequest:
    async def test_names_each_field_and_what_is_wrong(self, client: AsyncClient) -> None:
        response = await client.post(
            "recipes", json={"name": "far too long", "password": SECRET, "extra": SECRET}
        )

        assert problem(response) == {
            "type": "urn:problem:request.invalid",
            "title": "The request is not valid",
            "status": 422,
            "errors": [
                {
                    "loc": ["body", "name"],
                    "msg": "String should have at most 5 characters",
                    "type": "string_too_long",
                },
                {
                    "loc": ["body", "password"],
                    "msg": "Value should have at least 20 items after validation, not 15",
                    "type": "too_short",
                },
                {
                    "loc": ["body", "extra"],
                    "msg": "Extra inputs are not permitted",
                    "type": "extra_forbidden",
                },
            ],
        }
        assert SECRET not in response.text

    @pytest.mark.parametrize(
        "content",
        [
            b'{"password": "hunter2-hunter2"}',
            b'{"name": "hunter2-hunter2", "password": null}',
            b'{"name": {"hunter2-hunter2": 1}, "password": ["hunter2-hunter2"]}',
            b'["hunter2-hunter2"]',
            b'"hunter2-hunter2"',
            b'{"password": "hunter2-hunter2"',
            b"hunter2-hunter2",
            b"",
            b"null",
            b'{"name": "\\ud800", "password": "hunter2-hunter2"}',
            b'{"\\ud800": "hunter2-hunter2"}',
        ],
    )
    async def test_echoes_nothing_that_was_sent(self, client: AsyncClient, content: bytes) -> None:
        response = await client.post(
            "recipes", content=content, headers={"content-type": "application/json"}
        )

        body = problem(response)
        assert body["status"] == 422
        assert all(error.keys() == {"loc", "msg", "type"} for error in body["errors"])
        assert "hunter2" not in response.text

    async def test_echoes_no_query_parameter(self, client: AsyncClient) -> None:
        response = await client.post("numbers", params={"unit": SECRET}, json=[1])

        assert [error["loc"] for error in problem(response)["errors"]] == [["query", "unit"]]
        assert SECRET not in response.text

    @pytest.mark.parametrize("content", [b'{"name": "\xff"}', b"[" * 100_000])
    async def test_answers_400_to_a_body_that_cannot_be_read(
        self, client: AsyncClient, content: bytes
    ) -> None:
        response = await client.post(
            "recipes", content=content, headers={"content-type": "application/json"}
        )

        assert problem(response) == {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "There was an error parsing the body",
        }


class TestDefect:
    @pytest.mark.parametrize("path", ["errors/defect", "middleware-defect"])
    async def test_is_answered_without_its_text(self, client: AsyncClient, path: str) -> None:
        with capture_logs():
            response = await client.get(path)

        assert problem(response) == {
            "type": "urn:problem:internal",
            "title": "Internal Server Error",
            "status": 500,
            "detail": "The error was logged; quote the request id when you report it.",
        }
        assert "hunter2" not in response.text
        assert "ZeroDivision" not in response.text

    async def test_is_logged_once_with_its_traceback(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            await client.get("errors/defect")

        (line,) = [line for line in lines if line["log_level"] == "error"]
        assert line["event"] == "unhandled error"
        assert "ZeroDivisionError: hunter2-hunter2 divided by zero" in "".join(
            traceback.format_exception(line["exc_info"])
        )


class TestExpectedError:
    @pytest.mark.parametrize("name", ["boiling", "http-detail"])
    async def test_is_not_logged_as_an_error(self, client: AsyncClient, name: str) -> None:
        with capture_logs() as lines:
            await client.get(f"errors/{name}")

        assert [line["log_level"] for line in lines] == ["info"]


class Exchange:
    """One request to the bare ASGI application, and what it sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.sent: list[MutableMapping[str, Any]] = []

    async def run(self, **scope: object) -> None:
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await anyio.sleep_forever()  # the client sends nothing more, and stays
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


class TestErrorAfterTheStartOfTheResponse:
    async def test_reaches_the_server_which_breaks_the_connection_off(self) -> None:
        app: FastAPI = create_app(FixedSettings(environment="test"), [FEATURE])
        exchange = Exchange(app)

        with capture_logs() as lines, pytest.raises(ZeroDivisionError):
            await exchange.run(
                type="http",
                method="GET",
                scheme="http",
                path="/api/v1/stream",
                raw_path=b"/api/v1/stream",
                query_string=b"",
                headers=[],
            )

        assert [message["type"] for message in exchange.sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert exchange.sent[0]["status"] == 200
        assert exchange.sent[1] == {
            "type": "http.response.body",
            "body": b"one\n",
            "more_body": True,
        }
        assert [line["event"] for line in lines] == ["request"]


class TestProblemMiddleware:
    async def test_passes_what_is_not_http_on(self) -> None:
        async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "websocket.close"})

        exchange = Exchange(ProblemMiddleware(application))
        await exchange.run(type="websocket")

        assert exchange.sent == [{"type": "websocket.close"}]

    async def test_does_not_answer_what_is_not_http(self) -> None:
        async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise ZeroDivisionError

        exchange = Exchange(ProblemMiddleware(broken))
        with pytest.raises(ZeroDivisionError):
            await exchange.run(type="websocket")

        assert exchange.sent == []
