import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient

from app.infrastructure.database.database import Database
from app.infrastructure.storage.storage import Storage
from app.modules.file.leftovers import LeftoversPurge
from app.modules.file.settings import FileSettings
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .samples import PDF, PNG, stored, upload

pytestmark = pytest.mark.anyio

Adjust = Callable[..., FileSettings]


async def keys(storage: Storage) -> list[str]:
    return sorted([it.key async for it in storage.objects()])


@pytest.fixture
def linking(s3: Storage, adjust_files: Adjust) -> Storage:
    """A bucket to which uploads may go directly."""
    adjust_files(upload_links_per_hour=3, max_bytes=1000)
    return s3


async def sent(client: AsyncClient, content: bytes) -> str:
    """The path at which an upload is completed."""
    begun = (await client.post("files/uploads")).json()
    assert httpx2.put(begun["url"], content=content).status_code == 200
    return f"files/uploads/{begun['id']}/complete"


class TestBucket:
    async def test_keeps_files_like_a_folder(
        self, user_client: AsyncClient, user: User, s3: Storage
    ) -> None:
        result = await upload(user_client, ("a.pdf", PDF, ""), ("b.exe", b"MZ\x90\0", ""))
        (file,) = result["files"]
        path = f"files/{file['id']}"
        part = await user_client.get(f"{path}/content", headers={"range": "bytes=0-3"})

        assert result["failed"] == 1
        assert (part.status_code, part.content) == (206, b"%PDF")
        assert await keys(s3) == [f"{user.id}/{file['id']}"]
        assert (await user_client.delete(path)).status_code == 204
        assert await keys(s3) == []
        assert (await user_client.get(f"{path}/content")).status_code == 404


class TestLinkFile:
    async def test_lets_whoever_has_it_read(self, user_client: AsyncClient, s3: Storage) -> None:
        assert s3.has_links is True
        file = await stored(user_client, PNG, "Grüße.png")
        response = await user_client.post(f"files/{file['id']}/link")

        assert response.status_code == 200
        link = response.json()
        left = datetime.fromisoformat(link["expires_at"]) - datetime.now(UTC)
        assert timedelta(seconds=290) < left <= timedelta(seconds=300)
        answer = httpx2.get(link["url"])
        assert answer.content == PNG
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"].startswith("attachment; ")

    async def test_is_not_there_for_a_folder(self, user_client: AsyncClient) -> None:
        file = await stored(user_client)
        responses = [
            await user_client.post(f"files/{file['id']}/link"),
            await user_client.post("files/uploads"),
        ]

        assert [it.status_code for it in responses] == [409, 409]
        assert responses[0].json()["type"] == "urn:problem:file.no_links"


class TestUploadPastTheService:
    async def test_is_off_by_default(self, user_client: AsyncClient, s3: Storage) -> None:
        assert s3.has_links is True
        assert (await user_client.post("files/uploads")).status_code == 409

    async def test_becomes_a_file_when_completed(
        self, user_client: AsyncClient, user: User, linking: Storage
    ) -> None:
        path = await sent(user_client, PNG)
        response = await user_client.post(path, json={"name": "../cat.png", "description": "Mine"})

        assert response.status_code == 201, response.text
        file = response.json()
        assert (file["name"], file["content_type"]) == ("cat.png", "image/png")
        assert response.headers["location"] == f"/api/v1/files/{file['id']}"
        assert await keys(linking) == [f"{user.id}/{file['id']}"]
        assert (await user_client.post(path, json={"name": "again"})).status_code == 404

    @pytest.mark.parametrize(
        ("content", "status"), [(b"MZ\x90\0", 415), (b"x" * 1001, 413), (b"", 415)]
    )
    async def test_is_checked_like_any_other(
        self, user_client: AsyncClient, linking: Storage, content: bytes, status: int
    ) -> None:
        path = await sent(user_client, content)
        response = await user_client.post(path, json={"name": "a"})

        assert response.status_code == status
        assert len(await keys(linking)) == 1

    async def test_cannot_be_changed_afterwards(
        self, user_client: AsyncClient, linking: Storage
    ) -> None:
        begun = (await user_client.post("files/uploads")).json()
        httpx2.put(begun["url"], content=PNG)
        path = f"files/uploads/{begun['id']}/complete"
        file = (await user_client.post(path, json={"name": "a"})).json()
        httpx2.put(begun["url"], content=b"<script>")

        assert (await user_client.get(f"files/{file['id']}/content")).content == PNG
        assert len(await keys(linking)) == 2

    async def test_of_another_account_is_unknown(
        self, user_client: AsyncClient, superuser_client: AsyncClient, linking: Storage
    ) -> None:
        assert linking.has_links is True
        path = await sent(superuser_client, PNG)
        foreign = await user_client.post(path, json={"name": "a"})
        unknown = await user_client.post(f"files/uploads/{uuid4()}/complete", json={"name": "a"})

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == "urn:problem:file.upload_not_found"

    async def test_is_limited_in_an_hour(self, user_client: AsyncClient, linking: Storage) -> None:
        assert linking.has_links is True
        statuses = [(await user_client.post("files/uploads")).status_code for _ in range(4)]

        assert statuses == [201, 201, 201, 429]

    async def test_that_is_never_completed_is_purged(
        self, user_client: AsyncClient, linking: Storage, state: dict[str, Any]
    ) -> None:
        await sent(user_client, PNG)
        extension = LeftoversPurge(state["file_leftovers"])
        async with state["database"].transaction() as session:
            count = await extension.purge(session, datetime.now(UTC) + timedelta(hours=25))

        assert count == 1
        assert await keys(linking) == []

    async def test_is_completed_once(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        linking: Storage,
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            path = await sent(client, PNG)
            posts = [client.post(path, json={"name": "a"}) for _ in range(3)]
            statuses = sorted(it.status_code for it in await asyncio.gather(*posts))

        assert statuses == [201, 404, 404]
        assert len(await keys(linking)) == 1
