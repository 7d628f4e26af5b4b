"""`/tiers`: what tiers there are."""

from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.models import User
from tests.fixtures.auth import Witness

from .arrange import create_tier, give

pytestmark = pytest.mark.anyio


class TestCreateTier:
    async def test_answers_with_what_is_stored(
        self, superuser_client: AsyncClient, witness: Witness
    ) -> None:
        body = {"name": "Pro plus", "description": "Two\nlines"}

        response = await superuser_client.post("tiers", json=body)

        assert response.status_code == 201, response.text
        tier = response.json()
        assert set(tier) == {"id", "name", "description", "is_deleted", "created_at", "updated_at"}
        assert (tier["name"], tier["description"]) == ("Pro plus", "Two\nlines")
        assert tier["is_deleted"] is False
        assert response.headers["location"] == f"/api/v1/tiers/{tier['id']}"
        assert (await superuser_client.get(f"tiers/{tier['id']}")).json() == tier
        assert [(it.name, it.details) for it in witness.events] == [
            ("tier_created", {"tier": "Pro plus"})
        ]

    async def test_takes_tiers_manage(self, user_client: AsyncClient, client: AsyncClient) -> None:
        refused = await user_client.post("tiers", json={"name": "pro"})

        assert refused.status_code == 403
        assert 'scope="tiers:manage"' in refused.headers["www-authenticate"]
        assert (await client.post("tiers", json={"name": "pro"})).status_code == 401

    async def test_a_name_is_taken_once(self, superuser_client: AsyncClient) -> None:
        await superuser_client.post("tiers", json={"name": "pro"})

        response = await superuser_client.post("tiers", json={"name": "pro"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.name_taken"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": ""},
            {"name": "x" * 51},
            {"name": "a\nb"},
            {"name": "pro", "description": "x" * 501},
            {"name": "pro", "is_deleted": True},
            {"name": "pro", "id": "1"},
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, superuser_client: AsyncClient, body: dict[str, object]
    ) -> None:
        assert (await superuser_client.post("tiers", json=body)).status_code == 422


class TestListTiers:
    async def test_is_in_pages_by_name(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        for name in ("pro", "basic", "free"):
            await create_tier(session, name=name)

        response = await superuser_client.get("tiers", params={"items_per_page": 2})

        assert response.status_code == 200
        page = response.json()
        assert [tier["name"] for tier in page.pop("data")] == ["basic", "free"]
        assert page == {"total_count": 3, "has_more": True, "page": 1, "items_per_page": 2}

    async def test_takes_tiers_read(self, user_client: AsyncClient, client: AsyncClient) -> None:
        assert (await user_client.get("tiers")).status_code == 403
        assert (await client.get("tiers")).status_code == 401


class TestReadTier:
    async def test_unknown_ones_are_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.get(f"tiers/{uuid4()}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:tier.not_found"


class TestUpdateTier:
    async def test_changes_what_is_present(
        self, superuser_client: AsyncClient, session: AsyncSession, witness: Witness
    ) -> None:
        tier = await create_tier(session, name="basic")
        path = f"tiers/{tier.id}"
        await superuser_client.patch(path, json={"description": "Small"})

        response = await superuser_client.patch(path, json={"name": "small"})

        assert response.status_code == 200, response.text
        assert (response.json()["name"], response.json()["description"]) == ("small", "Small")
        assert (await superuser_client.get(path)).json() == response.json()
        assert witness.names == ["tier_updated"] * 2
        cleared = await superuser_client.patch(path, json={"description": None})
        assert cleared.json()["description"] is None

    async def test_a_name_is_taken_once(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_tier(session, name="pro")
        tier = await create_tier(session, name="basic")

        response = await superuser_client.patch(f"tiers/{tier.id}", json={"name": "pro"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.name_taken"

    async def test_the_default_tier_keeps_its_name(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        path = f"tiers/{(await create_tier(session, name='free')).id}"

        response = await superuser_client.patch(path, json={"name": "gratis"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.is_default"
        same = await superuser_client.patch(path, json={"name": "free", "description": "Yes"})
        assert same.status_code == 200

    @pytest.mark.parametrize("body", [{"name": None}, {"deleted_at": None}, {"updated_at": None}])
    async def test_refuses_what_breaks_a_rule(
        self, superuser_client: AsyncClient, session: AsyncSession, body: dict[str, object]
    ) -> None:
        tier = await create_tier(session)

        assert (await superuser_client.patch(f"tiers/{tier.id}", json=body)).status_code == 422

    async def test_unknown_ones_are_not_found(
        self, superuser_client: AsyncClient, user_client: AsyncClient
    ) -> None:
        assert (await superuser_client.patch(f"tiers/{uuid4()}", json={})).status_code == 404
        assert (await user_client.patch(f"tiers/{uuid4()}", json={})).status_code == 403


class TestDeleteTier:
    async def test_takes_its_limits_with_it_and_frees_its_name(
        self, superuser_client: AsyncClient, session: AsyncSession, witness: Witness
    ) -> None:
        tier = await create_tier(session, name="pro", every=5)

        response = await superuser_client.delete(f"tiers/{tier.id}")

        assert response.status_code == 204
        assert (await superuser_client.get(f"tiers/{tier.id}")).status_code == 404
        assert (await superuser_client.get(f"tiers/{tier.id}/rate-limits")).status_code == 404
        assert (await superuser_client.delete(f"tiers/{tier.id}")).status_code == 404
        again = await superuser_client.post("tiers", json={"name": "pro"})
        assert again.status_code == 201
        limits = await superuser_client.get(f"tiers/{again.json()['id']}/rate-limits")
        assert limits.json()["total_count"] == 0
        assert witness.names == ["tier_deleted", "tier_created"]

    async def test_one_that_somebody_has_stays(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        tier = await create_tier(session, every=5)
        await give(session, user, tier)

        response = await superuser_client.delete(f"tiers/{tier.id}")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.in_use"
        limits = await superuser_client.get(f"tiers/{tier.id}/rate-limits")
        assert limits.json()["total_count"] == 1

    async def test_closed_accounts_do_not_hold_it(
        self,
        superuser_client: AsyncClient,
        user_client: AsyncClient,
        user: User,
        session: AsyncSession,
    ) -> None:
        tier = await create_tier(session)
        await give(session, user, tier)
        await user_client.delete("users/me")

        assert (await superuser_client.delete(f"tiers/{tier.id}")).status_code == 204

    async def test_the_default_tier_stays(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        tier = await create_tier(session, name="free")

        response = await superuser_client.delete(f"tiers/{tier.id}")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:tier.is_default"

    async def test_takes_tiers_manage(
        self, user_client: AsyncClient, client: AsyncClient, session: AsyncSession
    ) -> None:
        tier = await create_tier(session)

        assert (await user_client.delete(f"tiers/{tier.id}")).status_code == 403
        assert (await client.delete(f"tiers/{tier.id}")).status_code == 401


def test_what_only_the_service_builds_is_no_request(app: FastAPI) -> None:
    names = set(app.openapi()["components"]["schemas"])

    assert {"TierCreate", "TierRead", "TierUpdate", "UserTierUpdate"} <= names
    assert {"RateLimitCreate", "RateLimitRead", "RateLimitUpdate"} <= names
    assert [name for name in names if "Internal" in name] == []
