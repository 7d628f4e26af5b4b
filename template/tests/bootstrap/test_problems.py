from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from httpx2 import AsyncClient
from starlette.testclient import TestClient, WebSocketDenialResponse
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.settings import Settings
from app.core.feature import Feature
from app.core.routing import PrefixRouter
from tests.bootstrap.kettle import UnknownCookError, problem, serving_kettle
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    async with serving_kettle() as client:
        yield client


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
                "cooling",
                {"retry-after": "60"},
                {
                    "type": "urn:problem:kettle.cooling",
                    "title": "Still cooling",
                    "status": 409,
                    "detail": "It is hot.",
                },
            ),
            (
                "too-often",
                {"retry-after": "30", "x-kettle": "hot"},
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
        conditional = {"www-authenticate", "retry-after", "x-kettle"} & response.headers.keys()
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

    async def test_that_is_an_answer_not_as_declared_is_logged_without_it(
        self, settings: Settings
    ) -> None:
        router = PrefixRouter(prefix="/kettles", tags=["kettle"])

        @router.get("/owner")
        async def owner() -> int:
            return "ada@example.org"  # type: ignore[return-value]

        async with serving(settings, [Feature(name="kettle", routers=(router,))]) as client:
            with capture_logs() as lines:
                response = await client.get("kettles/owner")

        assert response.status_code == 500
        assert "should be a valid integer" in str(lines[0]["exc_info"])
        assert "ada@example.org" not in str(lines)


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


class TestWebSocket:
    """A handshake is refused with the same body; what is open already is closed."""

    @pytest.fixture
    def talking(self) -> Generator[TestClient]:
        router = APIRouter()

        @router.websocket("/refused")
        async def refuse(_: WebSocket) -> None:
            raise UnknownCookError("Say who you are.")

        @router.websocket("/closed")
        async def close(socket: WebSocket) -> None:
            await socket.accept()
            raise UnknownCookError("Say who you are.")

        feature = Feature(name="talking", root_routers=(router,))
        with TestClient(create_app(FixedSettings(environment="test"), [feature])) as client:
            yield client

    def test_refuses_the_handshake_with_a_problem(self, talking: TestClient) -> None:
        with (
            pytest.raises(WebSocketDenialResponse) as caught,
            talking.websocket_connect("/refused"),
        ):
            pass

        assert caught.value.status_code == 401
        assert caught.value.headers["www-authenticate"] == "Bearer"
        assert caught.value.json()["type"] == "urn:problem:kettle.unknown_cook"

    def test_closes_what_is_open(self, talking: TestClient) -> None:
        with (
            talking.websocket_connect("/closed") as socket,
            pytest.raises(WebSocketDisconnect) as caught,
        ):
            socket.receive_text()

        assert caught.value.code == 1008
