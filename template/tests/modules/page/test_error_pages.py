from pathlib import Path

import pytest
from httpx2 import AsyncClient, Response
from structlog.testing import capture_logs

from app.core.feature import Feature
from app.modules.page.extension import PageFolder
from tests.modules.page.conftest import visiting
from tests.modules.page.visitor import Inbox

pytestmark = pytest.mark.anyio

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "application/json"}
REQUEST = {"x-request-id": "request-0001"}


def is_page(response: Response) -> bool:
    media_type = response.headers["content-type"]
    assert media_type in {"text/html; charset=utf-8", "application/problem+json"}
    return media_type.startswith("text/html")


class TestErrorPage:
    async def test_shows_a_domain_error(self, client: AsyncClient) -> None:
        response = await client.get("/shop/closed", headers=REQUEST)

        assert response.status_code == 503
        assert "<h1>The shop is closed</h1>" in response.text
        assert '<p class="lead">Come &lt;back&gt; later.</p>' in response.text
        assert "Error 503, request <code>request-0001</code>" in response.text
        assert response.headers["retry-after"] == "30"
        assert response.headers["x-shop"] == "<closed>"

    async def test_shows_a_defect_without_a_word_of_it(self, client: AsyncClient) -> None:
        with capture_logs() as lines:
            response = await client.get("/shop/broken", headers=REQUEST)

        assert response.status_code == 500
        assert "<h1>Internal Server Error</h1>" in response.text
        assert "quote the request id when you report it" in response.text
        assert "request-0001" in response.text
        assert "ZeroDivision" not in response.text
        assert "unhandled error" in [line["event"] for line in lines]

    async def test_leaves_out_data(self, client: AsyncClient) -> None:
        response = await client.get("/shop/tea")

        assert response.status_code == 418
        assert is_page(response)
        assert "why" not in response.text

    async def test_shows_an_invalid_address(self, client: AsyncClient) -> None:
        response = await client.get("/shop/goods/<b>")

        assert response.status_code == 422
        assert "<h1>The request is not valid</h1>" in response.text
        assert "<b>" not in response.text

    async def test_does_not_use_a_notice_up(self, client: AsyncClient, inbox: Inbox) -> None:
        inbox.is_broken = False
        client.cookies.set("__Host-notice", "Saved.", domain="test")
        response = await client.post("/shop")

        assert response.status_code == 405
        assert "Saved." not in response.text


class TestWhoGetsAPage:
    @pytest.mark.parametrize("headers", [BROWSER, PROGRAM])
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/shop/closed", 503),
            ("DELETE", "/", 405),
            ("PUT", "/feedback", 405),
            ("POST", "/feedback", 415),
        ],
    )
    async def test_everybody_on_the_path_of_a_page(
        self, client: AsyncClient, headers: dict[str, str], method: str, path: str, status: int
    ) -> None:
        response = await client.request(method, path, headers=headers)

        assert response.status_code == status
        assert is_page(response)

    async def test_methods_are_those_of_all_routes_of_the_path(self, client: AsyncClient) -> None:
        response = await client.delete("/feedback")

        assert response.headers["allow"] == "GET, HEAD, POST"

    @pytest.mark.parametrize("headers", [BROWSER, PROGRAM])
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/closed", 503),
            ("GET", "/api/v1/closed?number=x", 422),
            ("GET", "/api/v1/nosuch", 404),
            ("DELETE", "/api/v1/closed", 405),
            ("GET", "/static/nosuch.css", 404),
            ("POST", "/static/site.css", 405),
            ("DELETE", "/docs", 405),
        ],
    )
    async def test_nobody_elsewhere(
        self, client: AsyncClient, headers: dict[str, str], method: str, path: str, status: int
    ) -> None:
        response = await client.request(method, path, headers=headers)

        assert response.status_code == status
        assert not is_page(response)

    @pytest.mark.parametrize("path", ["/nosuch", "/nosuch/", "/shop/", "//", "/a/b", "/apis"])
    async def test_browsers_where_there_is_nothing(self, client: AsyncClient, path: str) -> None:
        asked = f"https://test{path}"
        page, problem = [await client.get(asked, headers=it) for it in (BROWSER, PROGRAM)]

        assert (page.status_code, problem.status_code) == (404, 404)
        assert "<h1>There is no such page</h1>" in page.text
        assert not is_page(problem)

    async def test_whoever_middleware_refuses(self, client: AsyncClient) -> None:
        too_large = b"x" * (1024 * 1024 + 1)
        page = await client.post("/feedback", content=too_large, headers=PROGRAM)
        problem = await client.post("/api/v1/closed", content=too_large, headers=BROWSER)

        assert (page.status_code, problem.status_code) == (413, 413)
        assert is_page(page)
        assert not is_page(problem)


class TestBrokenErrorPage:
    async def test_does_not_hide_the_error(self, tmp_path: Path) -> None:
        folder = PageFolder(tmp_path)
        templates = folder.path / "templates"
        templates.mkdir()
        (templates / "error.html").write_text("[[ nosuch ]]")
        async with visiting([Feature(name="broken", extensions=(folder,))]) as client:
            with capture_logs() as lines:
                response = await client.put("/feedback")

        assert response.status_code == 405
        assert response.json()["title"] == "Method Not Allowed"
        assert "broken error page" in [line["event"] for line in lines]
