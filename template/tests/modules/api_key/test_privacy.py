from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.api_key.models import ApiKey, ApiKeyUsage, ApiKeyUsageDay
from app.modules.api_key.privacy import ApiKeysData
from app.modules.api_key.usage import UsageLog
from app.modules.user.models import User
from tests.fixtures.api_key import generate

pytestmark = pytest.mark.anyio


async def counts(session: AsyncSession) -> list[int]:
    tables = (ApiKey, ApiKeyUsage, ApiKeyUsageDay)
    return [await session.scalar(select(func.count()).select_from(it)) or 0 for it in tables]


@pytest.fixture
async def used(user_client: AsyncClient, client: AsyncClient, usage: UsageLog) -> dict[str, Any]:
    """A key of `user` with a request on record."""
    generated = await generate(user_client)
    await client.get("users/me", headers={"X-API-Key": generated["key"]})
    await usage.flush()
    return generated


class TestExport:
    async def test_has_keys_and_their_use_and_no_secret(
        self, user_client: AsyncClient, session: AsyncSession, used: dict[str, Any]
    ) -> None:
        revoked = await generate(user_client, name="Revoked")
        await user_client.delete(f"api-keys/{revoked['id']}")

        response = await user_client.get("users/me/export")

        assert response.status_code == 200
        first, second = response.json()["api_keys"]
        assert (first["id"], first["name"], first["revoked_at"]) == (used["id"], "Report", None)
        assert [it["route"] for it in first["usage"]] == ["/api/v1/users/me"]
        assert [it["address"] for it in first["usage"]] == ["127.0.0.1"]
        assert first["last_used_address"] == "127.0.0.1"
        assert second["revoked_at"] is not None
        for record in await session.scalars(select(ApiKey)):
            assert record.key_hash not in response.text
        assert used["key"] not in response.text

    async def test_has_nothing_of_others(
        self, superuser_client: AsyncClient, used: dict[str, Any]
    ) -> None:
        exported = (await superuser_client.get("users/me/export")).json()

        assert used["id"] not in str(exported)
        assert exported["api_keys"] == []


class TestErase:
    async def test_leaves_nothing(
        self,
        superuser_client: AsyncClient,
        client: AsyncClient,
        session: AsyncSession,
        usage: UsageLog,
        user: User,
        used: dict[str, Any],
    ) -> None:
        headers = {"X-API-Key": used["key"]}
        assert await counts(session) == [1, 1, 1]
        # Not stored yet when the account is erased.
        assert (await client.get("users/me", headers=headers)).status_code == 200

        response = await superuser_client.delete(f"users/{user.id}")
        await usage.flush()

        assert response.status_code == 204
        assert await counts(session) == [0, 0, 0]
        assert (await client.get("users/me", headers=headers)).status_code == 401

    async def test_can_be_done_twice(
        self, session: AsyncSession, user: User, used: dict[str, Any]
    ) -> None:
        for _ in range(2):
            await ApiKeysData().erase(session, user.id)

        assert await session.get(ApiKey, UUID(used["id"])) is None

    async def test_takes_rotated_ones_too(
        self, user_client: AsyncClient, session: AsyncSession, user: User, used: dict[str, Any]
    ) -> None:
        await user_client.post(f"api-keys/{used['id']}/rotate", json={"overlap_seconds": 60})

        await ApiKeysData().erase(session, user.id)

        assert await counts(session) == [0, 0, 0]

    async def test_leaves_others_alone(
        self, superuser_client: AsyncClient, session: AsyncSession, user: User, used: dict[str, Any]
    ) -> None:
        others = await generate(superuser_client)

        await ApiKeysData().erase(session, user.id)

        (left,) = await session.scalars(select(ApiKey))
        assert str(left.id) == others["id"] != used["id"]
