from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.api_key.errors import ApiKeyNotFoundError
from app.modules.api_key.models import ApiKey
from app.modules.user.models import User
from tests.fixtures.api_key import generate

from .samples import events

pytestmark = pytest.mark.anyio


class TestList:
    async def test_has_your_own_newest_first(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        for name in "abc":
            await generate(user_client, name=name)
        await generate(superuser_client, name="not mine")

        response = await user_client.get("api-keys", params={"items_per_page": 2})

        assert response.status_code == 200
        body = response.json()
        assert [item["name"] for item in body["data"]] == ["c", "b"]
        assert (body["total_count"], body["has_more"]) == (3, True)

    async def test_never_shows_a_key(self, user_client: AsyncClient, session: AsyncSession) -> None:
        generated = await generate(user_client)

        listed = await user_client.get("api-keys")
        read = await user_client.get(f"api-keys/{generated['id']}")

        record = (await session.scalars(select(ApiKey))).one()
        for text in (listed.text, read.text):
            assert generated["key"] not in text
            assert record.key_hash not in text
        assert listed.json()["data"] == [read.json()]
        assert read.json() == {name: generated[name] for name in generated if name != "key"}

    async def test_shows_expired_ones(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await generate(user_client)
        (await session.scalars(select(ApiKey))).one().expires_at = datetime.now(UTC)
        await session.commit()

        (listed,) = (await user_client.get("api-keys")).json()["data"]

        assert listed["is_expired"] is True

    async def test_refuses_keys(self, user_client: AsyncClient, client: AsyncClient) -> None:
        """A stolen one must not tell which others there are."""
        key = (await generate(user_client))["key"]

        response = await client.get("api-keys", headers={"X-API-Key": key})

        assert response.status_code == 403


class TestOthersKeys:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "", None),
            ("PATCH", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("POST", "/rotate", {"overlap_seconds": 0}),
            ("GET", "/usage", None),
            ("GET", "/usage/daily", None),
        ],
    )
    async def test_do_not_exist(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        method: str,
        path: str,
        body: dict[str, object] | None,
    ) -> None:
        key_id = (await generate(superuser_client))["id"]

        foreign = await user_client.request(method, f"api-keys/{key_id}{path}", json=body)
        unknown = await user_client.request(method, f"api-keys/{uuid4()}{path}", json=body)

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == unknown.json()["type"] == "urn:problem:api_key.not_found"
        assert (await superuser_client.get(f"api-keys/{key_id}")).status_code == 200


class TestRename:
    async def test_changes_the_name_alone(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json={"name": "Import"})

        assert response.status_code == 200
        body = response.json()
        assert body["name"] == "Import"
        same = set(body) - {"name", "updated_at"}
        assert {name: body[name] for name in same} == {name: generated[name] for name in same}

    async def test_without_a_field_changes_nothing(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json={})

        assert (response.status_code, response.json()["name"]) == (200, "Report")

    @pytest.mark.parametrize(
        "body",
        [{"name": None}, {"name": ""}, {"scopes": ["profile:write"]}, {"expires_at": None}],
    )
    async def test_refuses_everything_else(
        self, user_client: AsyncClient, body: dict[str, object]
    ) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json=body)

        assert response.status_code == 422


class TestRevoke:
    async def test_ends_the_key_at_once(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        generated = await generate(user_client)
        headers = {"X-API-Key": generated["key"]}
        assert (await client.get("users/me", headers=headers)).status_code == 200

        with capture_logs() as logs:
            response = await user_client.delete(f"api-keys/{generated['id']}")

        assert response.status_code == 204
        assert (await client.get("users/me", headers=headers)).status_code == 401
        assert (await user_client.get(f"api-keys/{generated['id']}")).status_code == 404
        assert (await user_client.get("api-keys")).json()["total_count"] == 0
        (event,) = events(logs)
        assert (event["name"], event["key_id"]) == ("api_key_revoked", generated["id"])
        assert event["target_id"] == str(user.id)

    async def test_happens_once(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        responses = [await user_client.delete(f"api-keys/{generated['id']}") for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 404]

    @pytest.mark.parametrize("path", ["api-keys/{id}", "api-keys"])
    async def test_needs_a_recent_login(
        self, user_client: AsyncClient, stale_client: AsyncClient, path: str
    ) -> None:
        generated = await generate(user_client)

        response = await stale_client.delete(path.format(id=generated["id"]))

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_of_all_ends_your_own(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        for _ in range(2):
            await generate(user_client)
        await generate(superuser_client)

        with capture_logs() as logs:
            responses = [await user_client.delete("api-keys") for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 204]
        assert [event["name"] for event in events(logs)] == ["api_key_revoked"] * 2
        assert (await user_client.get("api-keys")).json()["total_count"] == 0
        assert (await superuser_client.get("api-keys")).json()["total_count"] == 1


class TestErrors:
    def test_tell_nothing_but_the_id(self) -> None:
        assert ApiKeyNotFoundError(UUID(int=1)).detail == (
            "There is no key with the id 00000000-0000-0000-0000-000000000001."
        )
