from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from httpx2 import AsyncClient

from app.core.feature import Feature
from app.infrastructure.docs.feature import feature
from app.infrastructure.docs.pages import ASSETS, CONTENT_SECURITY_POLICY
from app.infrastructure.docs.settings import DocsSettings
from tests.support import FixedSettings, serving

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse bätterie"
PAGES = ["docs", "redoc", "openapi.json"]


def docs(*, deployed: bool = False, **settings: object) -> Feature:
    return feature(DocsSettings.model_validate(settings), title="Kettles", deployed=deployed)


def serve(docs: Feature) -> Any:  # noqa: ANN401 (a context manager without a name of its own)
    return serving(FixedSettings(environment="test"), [docs])


@pytest.fixture(scope="module")
async def client() -> AsyncGenerator[AsyncClient]:
    async with serve(docs()) as client:
        client.base_url = "http://test"
        yield client


@pytest.fixture(scope="module")
async def guarded() -> AsyncGenerator[AsyncClient]:
    async with serve(
        docs(deployed=True, enabled=True, username="ada", password=PASSWORD)
    ) as client:
        client.base_url = "http://test"
        yield client


def basic(credentials: str) -> bytes:
    return b"Basic " + b64encode(credentials.encode())


class TestEnabled:
    @pytest.mark.parametrize(
        ("enabled", "deployed", "served"),
        [
            (None, False, True),
            (None, True, False),
            (True, True, True),
            (False, False, False),
        ],
    )
    async def test_is_served_except_where_deployed(
        self, *, enabled: bool | None, deployed: bool, served: bool
    ) -> None:
        async with serve(docs(deployed=deployed, enabled=enabled)) as client:
            for page in (*PAGES, "docs/assets/docs.css"):
                response = await client.get(f"http://test/{page}")
                assert response.status_code == (200 if served else 404)


class TestPages:
    @pytest.mark.parametrize("page", ["docs", "redoc"])
    async def test_are_html_under_a_policy_of_their_own(
        self, client: AsyncClient, page: str
    ) -> None:
        response = await client.get(page)

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert response.headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
        assert response.headers["cache-control"] == "no-store"
        assert "<title>Kettles</title>" in response.text

    async def test_read_the_document(self, client: AsyncClient) -> None:
        response = await client.get("openapi.json")

        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert response.json()["openapi"].startswith("3.1.")
        assert response.json()["paths"] == {}


class TestAssets:
    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("docs.css", "text/css; charset=utf-8"),
            ("favicon.png", "image/png"),
            ("redoc.js", "text/javascript; charset=utf-8"),
            ("swagger-start.js", "text/javascript; charset=utf-8"),
            ("swagger-ui.css", "text/css; charset=utf-8"),
            ("swagger-ui.js", "text/javascript; charset=utf-8"),
        ],
    )
    async def test_are_served_with_their_type(
        self, client: AsyncClient, name: str, content_type: str
    ) -> None:
        response = await client.get(f"docs/assets/{name}", headers={"accept-encoding": "identity"})

        assert response.status_code == 200
        assert response.headers["content-type"] == content_type
        assert response.headers["cache-control"] == "public, max-age=86400"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.content == ASSETS[name][0].read_bytes()

    @pytest.mark.parametrize("name", ["nosuch.js", "", "..%2ffeature.py", "%2e%2e/feature.py"])
    async def test_are_only_the_listed_ones(self, client: AsyncClient, name: str) -> None:
        response = await client.get(f"docs/assets/{name}")

        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


class TestPassword:
    @pytest.mark.parametrize("page", PAGES)
    @pytest.mark.parametrize(
        "authorization",
        [
            b"",
            b"Basic",
            b"Basic !",
            b"Basic \xff",
            b"Bearer abc",
            basic(""),
            basic("ada:"),
            basic("ada:wrong"),
            basic(f"docs:{PASSWORD}"),
            basic(f"ada:{PASSWORD} "),
            basic(f"ada:{PASSWORD}").replace(b"Basic", b"Bearer"),
        ],
    )
    async def test_is_asked_for(
        self, guarded: AsyncClient, page: str, authorization: bytes
    ) -> None:
        response = await guarded.get(page, headers=[(b"authorization", authorization)])

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == 'Basic realm="API documentation"'
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["detail"] == (
            "The API documentation asks for DOCS_USERNAME and DOCS_PASSWORD."
        )

    @pytest.mark.parametrize("page", PAGES)
    @pytest.mark.parametrize("scheme", [b"Basic", b"basic"])
    async def test_opens_the_pages(self, guarded: AsyncClient, page: str, scheme: bytes) -> None:
        authorization = basic(f"ada:{PASSWORD}").replace(b"Basic", scheme)
        response = await guarded.get(page, headers=[(b"authorization", authorization)])

        assert response.status_code == 200

    @pytest.mark.parametrize("page", PAGES)
    async def test_is_asked_for_without_credentials(self, guarded: AsyncClient, page: str) -> None:
        assert (await guarded.get(page)).status_code == 401

    async def test_is_not_asked_for_the_assets(self, guarded: AsyncClient) -> None:
        assert (await guarded.get("docs/assets/docs.css")).status_code == 200
