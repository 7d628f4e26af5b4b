import re

import pytest
from httpx2 import AsyncClient

from tests.modules.page.conftest import visiting

pytestmark = pytest.mark.anyio

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def addresses(text: str) -> list[str]:
    return re.findall(r'(?:href|src|action)="([^"]*)"', text)


class TestHome:
    async def test_says_what_the_service_is(self, client: AsyncClient) -> None:
        response = await client.get("/")

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "<title>Kettles &amp; Co &lt;script&gt;</title>" in response.text
        assert '<p class="lead">Tea &lt;b&gt;now&lt;/b&gt;.</p>' in response.text
        assert "<script" not in response.text

    async def test_leads_to_what_there_is(self, client: AsyncClient) -> None:
        response = await client.get("/")

        links = re.findall(r'<li><a href="([^"]*)">([^<]*)</a></li>', response.text)
        assert links == [
            ("docs", "API"),
            ("shop", "Shop"),
            ("feedback", "Feedback"),
            ("health/ready", "Status"),
        ]
        assert "<p>All we &lt;sell&gt;.</p>" in response.text

    async def test_does_not_lead_to_what_is_not_served(self) -> None:
        async with visiting(deployed=True) as client:
            response = await client.get("/")

        links = re.findall(r'<li><a href="([^"]*)">[^<]*</a></li>', response.text)
        assert links == ["health/ready"]

    async def test_answers_head(self, client: AsyncClient) -> None:
        response = await client.head("/")

        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"

    async def test_leaves_no_cookie(self, client: AsyncClient) -> None:
        assert "set-cookie" not in (await client.get("/")).headers

    async def test_is_no_part_of_the_api(self, client: AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()

        assert list(document["paths"]) == ["/api/v1/closed"]


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/feedback", "/shop", "/shop/closed"])
    async def test_allow_nothing_but_our_own(self, client: AsyncClient, path: str) -> None:
        headers = (await client.get(path)).headers

        assert headers.get_list("content-security-policy") == [POLICY]
        assert headers.get_list("referrer-policy") == ["same-origin"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers.get_list("cache-control") == ["no-store"]

    @pytest.mark.parametrize("path", ["/", "/feedback", "/shop", "/shop/closed"])
    async def test_are_enough_for_the_page(self, client: AsyncClient, path: str) -> None:
        text = (await client.get(path)).text

        assert re.findall(r"<script|<style|\son\w+=|\sstyle=|javascript:", text) == []
        assert [it for it in addresses(text) if "//" in it or it.startswith("/")] == []

    async def test_of_the_api_stay(self, client: AsyncClient) -> None:
        headers = (await client.get("/api/v1/closed")).headers

        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["referrer-policy"] == "no-referrer"


class TestLinks:
    @pytest.mark.parametrize(
        ("path", "home", "other"),
        [
            ("/", "./", "feedback"),
            ("/shop", "./", "feedback"),
            ("/shop/goods/7", "../../", "../../feedback"),
            ("/a//b", "../../", "../../feedback"),
        ],
    )
    async def test_are_relative_to_the_page(
        self, client: AsyncClient, path: str, home: str, other: str
    ) -> None:
        response = await client.get(path, headers={"accept": "text/html"})

        found = addresses(response.text)
        assert home in found
        assert other in found
        assert [it for it in found if it.startswith(home.removeprefix("./") + "static/site.css?v=")]

    async def test_do_not_count_the_prefix_that_the_server_knows(self) -> None:
        async with visiting(root_path="/tea") as client:
            home, error = await client.get("/tea/"), await client.put("/tea/feedback")

        assert (home.status_code, error.status_code) == (200, 405)
        for page in (home, error):
            assert {"./", "feedback"} <= set(addresses(page.text))

    async def test_of_a_redirect_are_relative_too(self, client: AsyncClient) -> None:
        response = await client.post("/shop/two/forms")

        assert response.status_code == 303
        assert response.headers["location"] == "../../shop"
        assert "set-cookie" not in response.headers

    async def test_of_static_files_work(self, client: AsyncClient) -> None:
        for path in ("/", "/shop/goods/7"):
            text = (await client.get(path)).text
            for address in addresses(text):
                if "static/" in address:
                    response = await client.get(client.base_url.join(path).join(address))
                    assert response.status_code == 200
                    assert "immutable" in response.headers["cache-control"]
