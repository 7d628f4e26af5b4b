import re

import pytest

from app.infrastructure.docs.pages import (
    ASSETS,
    CONTENT_SECURITY_POLICY,
    redoc_page,
    swagger_page,
)

PAGES = {"swagger": swagger_page("Kettles"), "redoc": redoc_page("Kettles")}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
class TestPages:
    def test_refer_only_to_their_own_assets(self, page: str) -> None:
        references = re.findall(r'(?:src|href|spec-url)="([^"]*)"', page)

        assert "docs/assets/favicon.png" in references
        for reference in set(references) - {"openapi.json"}:
            assert reference.removeprefix("docs/assets/") in ASSETS, reference
        assert "//" not in page

    def test_have_no_script_or_style_inside(self, page: str) -> None:
        assert re.findall(r"<script[^>]*>[^<]", page) == []
        assert "<style" not in page
        assert re.findall(r"\son\w+=|\sstyle=|javascript:", page) == []

    def test_have_a_title(self, page: str) -> None:
        assert "<title>Kettles</title>" in page


class TestTitle:
    @pytest.mark.parametrize("build", [swagger_page, redoc_page])
    def test_cannot_add_to_the_page(self, build: object) -> None:
        assert callable(build)
        page = build("</title><script>alert(1)</script> & Co")

        assert "<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co</title>" in page


class TestAssets:
    def test_exist(self) -> None:
        for name, (path, media_type) in ASSETS.items():
            assert path.stat().st_size > 0, name
            assert re.fullmatch(r"(text|image)/(css|javascript|png)", media_type), name

    def test_start_from_a_relative_address(self) -> None:
        script = ASSETS["swagger-start.js"][0].read_text()

        assert 'url: "openapi.json"' in script
        assert "//" not in script


class TestContentSecurityPolicy:
    def test_allows_only_what_is_our_own(self) -> None:
        directives = {
            name: sources.split()
            for name, _, sources in (
                part.partition(" ") for part in CONTENT_SECURITY_POLICY.split("; ")
            )
        }

        assert directives["default-src"] == ["'none'"]
        assert directives["script-src"] == ["'self'"]
        assert directives["connect-src"] == ["'self'"]
        assert directives["frame-ancestors"] == ["'none'"]
        assert directives["base-uri"] == ["'none'"]
        assert directives["form-action"] == ["'none'"]
        used = {source for sources in directives.values() for source in sources}
        assert used <= {"'none'", "'self'", "'unsafe-inline'", "data:", "blob:"}
