"""Errors in another form than JSON, where a feature shows them so."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest
from httpx2 import AsyncClient
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.core.feature import Feature
from app.core.problems import ProblemPresenter
from tests.bootstrap.kettle import FEATURE
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio


class Plain(ProblemPresenter):
    """For those who ask for it."""

    def present(
        self, request: Request, problem: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> Response | None:
        if request.query_params.get("as") != "text":
            return None
        text = f"{problem['title']}: {problem.get('detail')}"
        return PlainTextResponse(text, problem["status"], headers)


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    features = [FEATURE, Feature(name="plain", extensions=(Plain(),))]
    async with serving(FixedSettings(environment="test"), features) as client:
        yield client


class TestProblemPresenter:
    @pytest.mark.parametrize(
        ("path", "status", "text"),
        [
            ("errors/missing", 404, "No kettle: No kettle has the number 7."),
            ("errors/http-bare", 418, "I'm a Teapot: None"),
            ("middleware", 409, "Already boiling: Before the routes."),
            ("nosuch", 404, "Not Found: None"),
        ],
    )
    async def test_answers_instead(
        self, client: AsyncClient, path: str, status: int, text: str
    ) -> None:
        response = await client.get(f"{path}?as=text")

        assert response.status_code == status
        assert response.text == text
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.headers["x-request-id"]

    async def test_is_given_the_headers(self, client: AsyncClient) -> None:
        response = await client.get("errors/too-often?as=text")

        assert response.headers["retry-after"] == "30"
        assert response.headers["x-kettle"] == "hot"

    async def test_leaves_others_alone(self, client: AsyncClient) -> None:
        response = await client.get("errors/missing")

        assert response.headers["content-type"] == "application/problem+json"
