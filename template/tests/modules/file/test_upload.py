from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from app.modules.file.settings import FileSettings
from app.modules.user.models import User

from .samples import GIF, JPEG, PDF, PNG, TEXT, WEBP, objects, stored, upload

pytestmark = pytest.mark.anyio

Adjust = Callable[..., FileSettings]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class TestUploadFiles:
    async def test_stores_each_under_a_key_of_ours(
        self, user_client: AsyncClient, user: User, folder: Path
    ) -> None:
        result = await upload(
            user_client,
            ("cat.png", PNG, "image/png"),
            ("notes.txt", TEXT, "text/plain"),
            description="Holidays",
        )

        assert (result["uploaded"], result["failed"], result["errors"]) == (2, 0, [])
        first, second = result["files"]
        assert first == {
            "id": first["id"],
            "name": "cat.png",
            "description": "Holidays",
            "content_type": "image/png",
            "size": len(PNG),
            "sha256": sha256(PNG).hexdigest(),
            "created_at": first["created_at"],
            "updated_at": first["updated_at"],
        }
        assert objects(folder, user.id) == sorted([first["id"], second["id"]])
        assert (folder / str(user.id) / second["id"]).read_bytes() == TEXT

    async def test_one_that_is_refused_does_not_keep_the_others_out(
        self, user_client: AsyncClient, user: User, folder: Path, adjust_files: Adjust
    ) -> None:
        adjust_files(max_bytes=200)
        result = await upload(
            user_client,
            ("a.png", PNG, "image/png"),
            ("large.txt", b"x" * 50_000, "text/plain"),
            ("page.html", b"<html><script>", "text/html"),
            ("b.gif", GIF, "image/gif"),
        )

        assert (result["uploaded"], result["failed"]) == (2, 2)
        assert [file["name"] for file in result["files"]] == ["a.png", "b.gif"]
        assert [
            (it["position"], it["name"], it["problem"]["status"], it["problem"]["type"])
            for it in result["errors"]
        ] == [
            (1, "large.txt", 413, "urn:problem:file.too_large"),
            (2, "page.html", 415, "urn:problem:file.type"),
        ]
        assert len(objects(folder, user.id)) == 2

    async def test_a_file_may_come_in_pieces_of_any_size(self, user_client: AsyncClient) -> None:
        body = (
            b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
            + TEXT
            + b"\r\n--b--\r\n"
        )
        response = await user_client.post(
            "files",
            content=chunks(*[bytes([byte]) for byte in body]),
            headers={"content-type": "multipart/form-data; boundary=b"},
        )

        assert response.json()["files"][0]["sha256"] == sha256(TEXT).hexdigest()

    @pytest.mark.parametrize(
        ("files", "fields"),
        [
            ([], {"description": "nothing else"}),
            ([("file", ("a.txt", TEXT))], {}),
            ([("files", ("a.txt", TEXT))], {"other": "x"}),
            ([("files", ("a.txt", TEXT))], {"files": "no file"}),
            ([("description", ("a.txt", TEXT))], {}),
            ([("files", ("a.txt", TEXT))] * 11, {}),
            ([("files", ("a.txt", TEXT))], {"description": "x" * 501}),
            ([("files", ("a.txt", TEXT))], {"description": "x" * 5000}),
            ([("files", ("a.txt", TEXT))], {"description": "\x00"}),
        ],
    )
    # A file that has arrived is noted at once, so that nothing is left of it.
    @pytest.mark.usefixtures("may_repeat_statements")
    async def test_refuses_another_form_as_a_whole(
        self,
        user_client: AsyncClient,
        user: User,
        folder: Path,
        files: list[Any],
        fields: dict[str, str],
    ) -> None:
        parts = files or [("description", (None, "x"))]
        response = await user_client.post("files", files=parts, data=fields)

        assert response.status_code == 422, response.text
        assert response.json()["type"] == "urn:problem:file.malformed_form"
        assert objects(folder, user.id) == []

    @pytest.mark.parametrize(
        "content_type",
        [None, "application/json", "multipart/form-data", "multipart/mixed; boundary=b"],
    )
    async def test_refuses_what_is_no_form(
        self, user_client: AsyncClient, content_type: str | None
    ) -> None:
        headers = {} if content_type is None else {"content-type": content_type}
        response = await user_client.post("files", content=b"--b--", headers=headers)

        assert response.status_code == 415
        assert response.json()["type"] == "urn:problem:file.form_type"

    async def test_needs_the_permission(self, client: AsyncClient) -> None:
        response = await client.post("files", files={"files": ("a.txt", TEXT)})

        assert response.status_code == 401


class TestUploadRawFile:
    @pytest.mark.parametrize(
        ("content", "declared", "expected"),
        [
            (PNG, "image/png", "image/png"),
            (PNG, "image/x-png", "image/png"),
            (JPEG, "image/jpeg", "image/jpeg"),
            (JPEG, "image/jpg", "image/jpeg"),
            (GIF, "application/octet-stream", "image/gif"),
            (WEBP, None, "image/webp"),
            (PDF, "application/pdf", "application/pdf"),
            (TEXT, "text/plain; charset=utf-8", "text/plain"),
            (b"a,b\n1,2\n", "text/csv", "text/csv"),
            (b"a,b\n1,2\n", "application/vnd.ms-excel", "text/csv"),
            (b"\xef\xbb\xbfa", None, "text/plain"),
        ],
    )
    async def test_finds_out_what_it_is(
        self, user_client: AsyncClient, content: bytes, declared: str | None, expected: str
    ) -> None:
        headers = {} if declared is None else {"content-type": declared}
        response = await user_client.post("files/raw", content=content, headers=headers)

        assert response.status_code == 201, response.text
        file = response.json()
        assert (file["content_type"], file["size"]) == (expected, len(content))
        assert response.headers["location"] == f"/api/v1/files/{file['id']}"

    @pytest.mark.parametrize(
        ("content", "declared"),
        [
            (b"", "text/plain"),
            (b"<script>alert(1)</script>", "text/html"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            (b"MZ\x90\0\3\0\0\0\4\0\0\0", None),
            (b"PK\3\4\x14\0\0\0\x08\0", "application/zip"),
            (b"\x7fELF\2\1\1\0", "image/png"),
            (PNG, "image/jpeg"),
            (JPEG, "text/plain"),
            (b"not a picture", "image/png"),
            (b"\xff\xfeh\0i\0", "text/plain"),
            (b"x" * 20_000 + b"\0", "text/plain"),
            (b"x" * 20_000 + b"\xc3", "text/plain"),
        ],
    )
    async def test_refuses_what_is_not_allowed_or_not_what_it_is_said_to_be(
        self,
        user_client: AsyncClient,
        user: User,
        folder: Path,
        content: bytes,
        declared: str | None,
    ) -> None:
        headers = {} if declared is None else {"content-type": declared}
        response = await user_client.post("files/raw", content=content, headers=headers)

        assert response.status_code == 415, response.text
        assert response.json()["type"] == "urn:problem:file.type"
        assert objects(folder, user.id) == []

    async def test_takes_types_that_are_added(
        self, user_client: AsyncClient, adjust_files: Adjust
    ) -> None:
        adjust_files(allowed_types="video/mp4")
        video = b"\0\0\0\x18ftypmp42" + b"\0" * 30

        assert (await stored(user_client, video, "a.mp4"))["content_type"] == "video/mp4"
        assert (await user_client.post("files/raw", content=PNG)).status_code == 415

    async def test_may_be_larger_than_other_bodies(self, user_client: AsyncClient) -> None:
        """Those end at 1 MiB; this one goes to the storage in several parts."""
        parts = [b"x" * 1024 * 1024] * 10

        response = await user_client.post("files/raw", content=chunks(*parts))

        assert response.status_code == 201, response.text
        assert response.json()["size"] == 10 * 1024 * 1024
        await user_client.delete(f"files/{response.json()['id']}")
        other = await user_client.patch("users/me", content=b"x" * 2_000_000)
        assert other.status_code == 413

    @pytest.mark.parametrize("announced", [True, False])
    async def test_refuses_a_larger_one(
        self,
        user_client: AsyncClient,
        user: User,
        folder: Path,
        announced: bool,  # noqa: FBT001
    ) -> None:
        size = 10 * 1024 * 1024 + 1
        content = b"x" * size if announced else chunks(*[b"x" * 65_536] * 160, b"x")

        response = await user_client.post("files/raw", content=content)

        assert response.status_code == 413
        assert response.headers["content-type"] == "application/problem+json"
        assert objects(folder, user.id) == []

    async def test_is_described(self, user_client: AsyncClient) -> None:
        params = {"name": "a.txt", "description": "Of mine"}
        response = await user_client.post("files/raw", params=params, content=TEXT)

        assert response.json()["description"] == "Of mine"

    @pytest.mark.parametrize("params", [{"name": ""}, {"name": "x" * 256}, {"unknown": "1"}])
    async def test_refuses_other_questions(
        self, user_client: AsyncClient, params: dict[str, str]
    ) -> None:
        response = await user_client.post("files/raw", params=params, content=TEXT)

        assert response.status_code == 422


class TestQuota:
    def full(self, response: Response) -> bool:
        return bool(response.json()["type"] == "urn:problem:file.quota_exceeded")

    async def test_is_what_all_files_of_an_owner_take(
        self, user_client: AsyncClient, user: User, folder: Path, adjust_files: Adjust
    ) -> None:
        adjust_files(max_bytes=100, quota_bytes=100)
        first = await stored(user_client, b"x" * 60)
        refused = await user_client.post("files/raw", content=b"x" * 41)
        await stored(user_client, b"x" * 40)
        full = await user_client.post("files/raw", content=b"x")

        assert (refused.status_code, self.full(refused)) == (409, True)
        assert (full.status_code, self.full(full)) == (409, True)
        assert len(objects(folder, user.id)) == 2
        await user_client.delete(f"files/{first['id']}")
        await stored(user_client, b"x" * 60)

    async def test_bounds_their_number(
        self, user_client: AsyncClient, user: User, folder: Path, adjust_files: Adjust
    ) -> None:
        adjust_files(quota_files=2)
        texts = [(f"{n}.txt", b"x", "text/plain") for n in range(3)]
        result = await upload(user_client, *texts)
        more = await user_client.post("files/raw", content=b"x")

        assert (result["uploaded"], result["failed"]) == (2, 1)
        assert result["errors"][0]["position"] == 2
        assert result["errors"][0]["problem"]["status"] == 409
        assert (more.status_code, self.full(more)) == (409, True)
        assert len(objects(folder, user.id)) == 2

    async def test_counts_the_files_of_one_form_together(
        self, user_client: AsyncClient, adjust_files: Adjust
    ) -> None:
        adjust_files(max_bytes=100, quota_bytes=100)
        texts = [(f"{n}.txt", b"x" * 40, "text/plain") for n in range(3)]
        result = await upload(user_client, *texts)

        assert (result["uploaded"], result["failed"]) == (2, 1)
