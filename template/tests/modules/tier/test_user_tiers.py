"""`/users/{user_id}/tier`: who has which tier."""

from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.tier.models import UserTier
from app.modules.user.models import User
from tests.fixtures.auth import Witness, create_user

from .arrange import create_tier, give

pytestmark = pytest.mark.anyio


class TestReadOwnTier:
    async def test_shows_what_was_given_and_its_limits(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        tier = await create_tier(session, name="pro", me=5, every=9)
        await give(session, user, tier)

        response = await user_client.get("users/me/tier")

        assert response.status_code == 200
        shown = response.json()
        assert (shown["tier_id"], shown["tier"]["name"]) == (str(tier.id), "pro")
        assert shown["is_default"] is False
        assert [(it["path"], it["limit"], it["period"]) for it in shown["rate_limits"]] == [
            ("*", 9, 60),
            ("/api/v1/users/me", 5, 60),
        ]

    async def test_everybody_else_has_the_default_tier(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        tier = await create_tier(session, name="free", every=9)

        shown = (await user_client.get("users/me/tier")).json()

        assert (shown["tier_id"], shown["is_default"]) == (str(tier.id), True)
        assert len(shown["rate_limits"]) == 1

    async def test_without_a_default_tier_there_is_none(self, user_client: AsyncClient) -> None:
        response = await user_client.get("users/me/tier")

        assert response.status_code == 200
        assert response.json() == {
            "tier_id": None,
            "tier": None,
            "is_default": True,
            "rate_limits": [],
        }

    async def test_is_not_for_strangers(self, client: AsyncClient) -> None:
        assert (await client.get("users/me/tier")).status_code == 401


class TestReadUserTier:
    async def test_shows_what_the_user_sees(
        self,
        superuser_client: AsyncClient,
        user_client: AsyncClient,
        user: User,
        session: AsyncSession,
    ) -> None:
        await give(session, user, await create_tier(session, every=9))

        response = await superuser_client.get(f"users/{user.id}/tier")

        assert response.status_code == 200
        assert response.json() == (await user_client.get("users/me/tier")).json()

    async def test_takes_tiers_read(
        self, user_client: AsyncClient, user: User, client: AsyncClient
    ) -> None:
        assert (await user_client.get(f"users/{user.id}/tier")).status_code == 403
        assert (await client.get(f"users/{user.id}/tier")).status_code == 401

    async def test_unknown_accounts_are_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.get(f"users/{uuid4()}/tier")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"


class TestUpdateUserTier:
    async def test_gives_replaces_and_takes(
        self,
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
        witness: Witness,
    ) -> None:
        path = f"users/{user.id}/tier"
        basic, pro = [await create_tier(session, name=name) for name in ("basic", "pro")]

        answers = [
            await superuser_client.put(path, json={"tier_id": tier_id})
            for tier_id in (str(basic.id), str(pro.id), str(pro.id), None, None)
        ]

        assert [answer.status_code for answer in answers] == [200] * 5
        assert [answer.json()["tier_id"] for answer in answers] == [
            str(basic.id),
            str(pro.id),
            str(pro.id),
            None,
            None,
        ]
        # Nothing is recorded where nothing changes.
        assert [(it.name, it.target_id, dict(it.details)) for it in witness.events] == [
            ("tier_changed", user.id, {"tier": "basic", "former": ""}),
            ("tier_changed", user.id, {"tier": "pro", "former": "basic"}),
            ("tier_changed", user.id, {"tier": "", "former": "pro"}),
        ]

    async def test_the_default_tier_can_be_given_too(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        """It stays theirs when another one becomes the default."""
        tier = await create_tier(session, name="free")

        response = await superuser_client.put(
            f"users/{user.id}/tier", json={"tier_id": str(tier.id)}
        )

        assert response.json()["is_default"] is False

    async def test_refuses_a_tier_that_is_not_there(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        gone = await create_tier(session)
        await superuser_client.delete(f"tiers/{gone.id}")

        for tier_id in (gone.id, uuid4()):
            response = await superuser_client.put(
                f"users/{user.id}/tier", json={"tier_id": str(tier_id)}
            )
            assert response.status_code == 409
            assert response.json()["type"] == "urn:problem:tier.unknown"

    @pytest.mark.parametrize("body", [{}, {"tier_id": "pro"}, {"tier_id": None, "name": "pro"}])
    async def test_refuses_what_breaks_a_rule(
        self, superuser_client: AsyncClient, user: User, body: dict[str, object]
    ) -> None:
        assert (await superuser_client.put(f"users/{user.id}/tier", json=body)).status_code == 422

    async def test_refuses_ones_own_account(
        self, superuser_client: AsyncClient, superuser: User
    ) -> None:
        response = await superuser_client.put(f"users/{superuser.id}/tier", json={"tier_id": None})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.outranked"

    async def test_takes_tiers_manage(
        self, user_client: AsyncClient, client: AsyncClient, session: AsyncSession
    ) -> None:
        path = f"users/{(await create_user(session)).id}/tier"
        body = {"tier_id": None}

        assert (await user_client.put(path, json=body)).status_code == 403
        assert (await client.put(path, json=body)).status_code == 401

    async def test_unknown_accounts_are_not_found(self, superuser_client: AsyncClient) -> None:
        response = await superuser_client.put(f"users/{uuid4()}/tier", json={"tier_id": None})

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"


class TestPersonalData:
    async def test_is_exported(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        assert (await user_client.get("users/me/export")).json()["tier"] is None
        await give(session, user, await create_tier(session, name="pro"))

        exported = (await user_client.get("users/me/export")).json()["tier"]

        assert exported["name"] == "pro"
        assert exported["given_at"].endswith("+00:00")

    async def test_goes_with_the_account(
        self,
        superuser_client: AsyncClient,
        superuser: User,
        user: User,
        session: AsyncSession,
    ) -> None:
        tier = await create_tier(session)
        for each in (user, superuser):
            await give(session, each, tier)

        await superuser_client.delete(f"users/{user.id}")

        assert await session.scalar(select(func.count()).select_from(UserTier)) == 1
