from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.modules.user.models import User
from tests.fixtures.auth import log_in
from tests.support import client_of

from .samples import PNG, TEXT, objects, stored

pytestmark = pytest.mark.anyio


class TestListFiles:
    async def test_has_ones_own_newest_first(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        for name in ("a.txt", "b.txt", "c.txt"):
            await stored(user_client, name=name)
        await stored(superuser_client, name="not mine.txt")

        body = (await user_client.get("files", params={"items_per_page": 2})).json()

        assert [file["name"] for file in body.pop("data")] == ["c.txt", "b.txt"]
        assert body == {"total_count": 3, "has_more": True, "page": 1, "items_per_page": 2}


class TestReadFile:
    async def test_shows_what_is_known(self, user_client: AsyncClient) -> None:
        file = await stored(user_client, PNG, "cat.png")

        assert (await user_client.get(f"files/{file['id']}")).json() == file


class TestUpdateFile:
    async def test_renames_and_describes(self, user_client: AsyncClient) -> None:
        file = await stored(user_client)
        body = {"name": "../Bericht.html", "description": "One\ntwo"}
        renamed = (await user_client.patch(f"files/{file['id']}", json=body)).json()
        blank = (await user_client.patch(f"files/{file['id']}", json={"description": None})).json()

        assert (renamed["name"], renamed["description"]) == ("Bericht.html.txt", "One\ntwo")
        assert (blank["name"], blank["description"]) == ("Bericht.html.txt", None)
        assert blank["sha256"] == file["sha256"]

    @pytest.mark.parametrize("body", [{"name": None}, {"name": ""}, {"size": 1}])
    async def test_refuses_the_rest(self, user_client: AsyncClient, body: object) -> None:
        file = await stored(user_client)

        assert (await user_client.patch(f"files/{file['id']}", json=body)).status_code == 422


class TestDeleteFile:
    async def test_takes_the_content_with_it(
        self, user_client: AsyncClient, user: User, folder: Path
    ) -> None:
        file = await stored(user_client)
        response = await user_client.delete(f"files/{file['id']}")

        assert response.status_code == 204
        assert objects(folder, user.id) == []
        assert (await user_client.get(f"files/{file['id']}")).status_code == 404
        assert (await user_client.delete(f"files/{file['id']}")).status_code == 404


class TestOwnership:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "", None),
            ("PATCH", "", {"description": "x"}),
            ("DELETE", "", None),
            ("GET", "/content", None),
            ("POST", "/link", None),
        ],
    )
    async def test_hides_what_belongs_to_others(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        method: str,
        path: str,
        body: object,
    ) -> None:
        file = await stored(superuser_client)
        foreign = await user_client.request(method, f"files/{file['id']}{path}", json=body)
        unknown = await user_client.request(method, f"files/{uuid4()}{path}", json=body)

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == unknown.json()["type"] == "urn:problem:file.not_found"

    async def test_a_limited_token_does_what_it_is_limited_to(
        self, app: FastAPI, state: dict[str, Any], user: User
    ) -> None:
        async with client_of(app, state) as client:
            await log_in(client, state, user, scopes=["files:read"])
            listed = await client.get("files")
            written = await client.post("files/raw", content=TEXT)

        assert (listed.status_code, written.status_code) == (200, 403)
