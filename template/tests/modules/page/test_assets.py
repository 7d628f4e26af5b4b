import os
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import pytest
from httpx2 import AsyncClient

from app.core.feature import Feature
from app.modules.page import feature as page
from app.modules.page.assets import Assets
from app.modules.page.extension import PageFolder
from tests.modules.page.conftest import visiting

pytestmark = pytest.mark.anyio

OWN = Path(page.__file__).parent
CSS = (OWN / "static" / "site.css").read_bytes()
VERSION = sha256(CSS).hexdigest()[:16]
PLAIN = {"accept-encoding": "identity"}


class TestStaticFiles:
    async def test_are_served_with_their_type(self, client: AsyncClient) -> None:
        css = await client.get("/static/site.css", headers=PLAIN)
        icon = await client.get("/static/icon.svg")

        assert (css.status_code, icon.status_code) == (200, 200)
        assert css.content == CSS
        assert css.headers["content-type"] == "text/css; charset=utf-8"
        assert icon.headers["content-type"] == "image/svg+xml"
        # A picture that is opened by itself runs nothing.
        assert icon.headers["content-security-policy"] == (
            "default-src 'none'; frame-ancestors 'none'"
        )

    async def test_answer_head(self, client: AsyncClient) -> None:
        response = await client.head("/static/site.css")

        assert response.status_code == 200
        assert response.headers["content-length"] == str(len(CSS))

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "nosuch.css",
            "../templates/base.html",
            "..%2ftemplates%2fbase.html",
            "%2e%2e/templates/base.html",
            "..%5ctemplates%5cbase.html",
            "./../settings.py",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "templates/base.html",
            "site.css%00",
            "%00",
            "%ff",
            "x" * 5000,
        ],
    )
    async def test_are_those_of_the_folders_alone(self, client: AsyncClient, path: str) -> None:
        request = client.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=b"/static/" + path.encode())
        response = await client.send(request)

        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"

    async def test_are_not_reached_by_links_out_of_the_folder(self, tmp_path: Path) -> None:
        static = tmp_path / "static"
        static.mkdir()
        (tmp_path / "secret.txt").write_text("secret")
        (static / "link.txt").symlink_to(tmp_path / "secret.txt")
        (static / "folder").mkdir()
        feature = Feature(name="links", extensions=(PageFolder(tmp_path),))
        async with visiting([feature]) as client:
            for name in ("link.txt", "folder"):
                assert (await client.get(f"/static/{name}")).status_code == 404


class TestCaching:
    async def test_is_for_good_with_the_version_of_the_content(self, client: AsyncClient) -> None:
        response = await client.get(f"/static/site.css?v={VERSION}")

        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"

    @pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789abcdef", f"?w={VERSION}", "?%ff"])
    async def test_asks_each_time_with_any_other(self, client: AsyncClient, query: str) -> None:
        response = await client.get(f"/static/site.css{query}", headers=PLAIN)

        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, no-cache"
        assert response.headers["etag"] == f'"{VERSION}"'

    @pytest.mark.parametrize("etag", [f'"{VERSION}"', f'W/"{VERSION}"', f'"other", "{VERSION}"'])
    async def test_sends_nothing_that_is_there_already(
        self, client: AsyncClient, etag: str
    ) -> None:
        response = await client.get("/static/site.css", headers={"if-none-match": etag})

        assert response.status_code == 304
        assert response.content == b""
        assert response.headers["cache-control"] == "public, no-cache"

    async def test_sends_what_has_changed(self, client: AsyncClient) -> None:
        response = await client.get("/static/site.css", headers={"if-none-match": '"other"'})

        assert response.status_code == 200


class TestVersion:
    def test_follows_the_content(self, tmp_path: Path) -> None:
        assets, file = Assets([tmp_path]), tmp_path / "a.css"
        file.write_text("one")
        first = assets.version("a.css")
        file.write_text("three")
        assert assets.version("a.css") != first
        file.write_text("one")
        os.utime(file, (0, 0))
        assert assets.version("a.css") == first

    def test_of_a_file_that_is_not_there_is_a_mistake(self, tmp_path: Path) -> None:
        with pytest.raises(LookupError, match=r"There is no static file nosuch\.css\."):
            Assets([tmp_path]).version("nosuch.css")


class TestFolder:
    @pytest.fixture
    async def own(self, tmp_path: Path) -> AsyncGenerator[AsyncClient]:
        """The pages of somebody who replaced the home page and the styles."""
        for name, text in {
            "templates/home.html": '[% extends "base.html" %][% block heading %]Mine[% endblock %]',
            "static/site.css": "mine",
            "static/more/own.js": "own",
        }.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        feature = Feature(name="own", extensions=(PageFolder(tmp_path),))
        async with visiting([feature]) as client:
            yield client

    async def test_of_a_later_feature_counts(self, own: AsyncClient) -> None:
        home = await own.get("/")

        assert "<h1>Mine</h1>" in home.text
        assert f"static/site.css?v={sha256(b'mine').hexdigest()[:16]}" in home.text
        assert (await own.get("/static/site.css")).text == "mine"

    async def test_adds_to_what_there_is(self, own: AsyncClient) -> None:
        script = await own.get("/static/more/own.js")

        assert script.text == "own"
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert (await own.get("/static/icon.svg")).status_code == 200
        assert (await own.get("/feedback")).status_code == 200
