from pathlib import Path
from uuid import uuid4

import pytest
from httpx2 import AsyncClient

from app.modules.user.models import User

from .samples import GIF, PDF, PNG, TEXT, stored

pytestmark = pytest.mark.anyio

DIGITS = b"0123456789"


async def path_of(client: AsyncClient, content: bytes = DIGITS, name: str = "a.txt") -> str:
    return f"files/{(await stored(client, content, name))['id']}/content"


class TestDownload:
    async def test_gives_the_content_to_be_saved(self, user_client: AsyncClient) -> None:
        response = await user_client.get(await path_of(user_client, TEXT))

        assert (response.status_code, response.content) == (200, TEXT)
        headers = response.headers
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert headers["content-length"] == str(len(TEXT))
        assert headers["content-disposition"] == (
            "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == (
            "default-src 'none'; sandbox; frame-ancestors 'none'"
        )
        assert headers["cross-origin-resource-policy"] == "same-site"
        assert headers["cache-control"] == "private, no-cache"
        assert headers["accept-ranges"] == "bytes"

    @pytest.mark.parametrize(
        ("content", "name", "expected"),
        [(PNG, "a.png", "inline"), (PDF, "a.pdf", "attachment"), (TEXT, "a.txt", "attachment")],
    )
    async def test_only_images_are_shown_in_place(
        self, user_client: AsyncClient, content: bytes, name: str, expected: str
    ) -> None:
        path = await path_of(user_client, content, name)
        response = await user_client.get(path, params={"disposition": "inline"})

        assert response.headers["content-disposition"].startswith(f"{expected}; ")
        assert response.headers["content-type"].startswith(
            {"a.png": "image/png", "a.pdf": "application/pdf", "a.txt": "text/plain"}[name]
        )

    async def test_an_image_that_is_a_page_too_stays_an_image(
        self, user_client: AsyncClient
    ) -> None:
        polyglot = GIF + b"<html><script>alert(document.cookie)</script></html>"
        path = await path_of(user_client, polyglot, "page.html")
        response = await user_client.get(path, params={"disposition": "inline"})

        assert response.headers["content-type"] == "image/gif"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in response.headers["content-security-policy"]
        assert 'filename="page.html.gif"' in response.headers["content-disposition"]

    async def test_is_not_compressed(self, user_client: AsyncClient) -> None:
        path = await path_of(user_client, b"x" * 5000)
        response = await user_client.get(path, headers={"accept-encoding": "gzip"})

        assert response.headers["content-length"] == "5000"
        assert response.headers["content-encoding"] == "identity"

    @pytest.mark.parametrize(
        ("asked", "expected", "content_range"),
        [
            ("bytes=0-3", b"0123", "bytes 0-3/10"),
            ("bytes=4-", b"456789", "bytes 4-9/10"),
            ("bytes=-2", b"89", "bytes 8-9/10"),
            ("bytes=-99", DIGITS, "bytes 0-9/10"),
            ("bytes=8-99", b"89", "bytes 8-9/10"),
            ("bytes=9-9", b"9", "bytes 9-9/10"),
        ],
    )
    async def test_gives_a_range(
        self, user_client: AsyncClient, asked: str, expected: bytes, content_range: str
    ) -> None:
        path = await path_of(user_client)
        response = await user_client.get(path, headers={"range": asked})

        assert (response.status_code, response.content) == (206, expected)
        assert response.headers["content-range"] == content_range
        assert response.headers["content-length"] == str(len(expected))

    @pytest.mark.parametrize(
        "asked", ["bytes=0-1,3-4", "bytes=-", "bytes=3-1", "bytes=a-b", "lines=1-2", "bytes"]
    )
    async def test_ignores_what_is_no_range(self, user_client: AsyncClient, asked: str) -> None:
        response = await user_client.get(await path_of(user_client), headers={"range": asked})

        assert (response.status_code, response.content) == (200, DIGITS)

    @pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-11", "bytes=-0"])
    async def test_refuses_a_range_past_the_end(self, user_client: AsyncClient, asked: str) -> None:
        response = await user_client.get(await path_of(user_client), headers={"range": asked})

        assert response.status_code == 416
        assert response.headers["content-range"] == "bytes */10"
        assert response.headers["content-type"] == "application/problem+json"

    async def test_gives_a_range_only_of_the_file_that_is_meant(
        self, user_client: AsyncClient
    ) -> None:
        path = await path_of(user_client)
        etag = (await user_client.get(path)).headers["etag"]
        same = await user_client.get(path, headers={"range": "bytes=0-1", "if-range": etag})
        other = await user_client.get(path, headers={"range": "bytes=0-1", "if-range": '"x"'})

        assert (same.status_code, other.status_code) == (206, 200)

    @pytest.mark.parametrize("known", ["{}", "W/{}", '"x", {}', "*"])
    async def test_is_not_sent_twice(self, user_client: AsyncClient, known: str) -> None:
        path = await path_of(user_client)
        etag = (await user_client.get(path)).headers["etag"]
        response = await user_client.get(path, headers={"if-none-match": known.format(etag)})

        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag

    async def test_is_sent_where_another_one_is_known(self, user_client: AsyncClient) -> None:
        path = await path_of(user_client)
        response = await user_client.get(path, headers={"if-none-match": '"x"'})

        assert response.status_code == 200

    async def test_comes_in_pieces(self, user_client: AsyncClient) -> None:
        large = b"x" * (5 * 1024 * 1024 + 1)
        path = await path_of(user_client, large)

        assert (await user_client.get(path)).content == large

    async def test_says_so_where_the_content_is_gone(
        self, user_client: AsyncClient, user: User, folder: Path
    ) -> None:
        file = await stored(user_client)
        (folder / str(user.id) / file["id"]).unlink()

        response = await user_client.get(f"files/{file['id']}/content")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:file.content_missing"

    async def test_refuses_strangers_and_other_owners_alike(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        path = await path_of(user_client)
        foreign = await superuser_client.get(path)
        unknown = await superuser_client.get(f"files/{uuid4()}/content")

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == unknown.json()["type"] == "urn:problem:file.not_found"
