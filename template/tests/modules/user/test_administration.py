from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.modules.user.models import User
from tests.fixtures.auth import create_user

pytestmark = pytest.mark.anyio


class TestListUsers:
    async def test_is_for_superusers(self, user_client: AsyncClient, client: AsyncClient) -> None:
        refused = await user_client.get("users")

        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:auth.insufficient_scope"
        assert (await client.get("users")).status_code == 401

    async def test_pages_newest_first(
        self, superuser_client: AsyncClient, superuser: User, session: AsyncSession
    ) -> None:
        users = [await create_user(session) for _ in range(4)]

        first = await superuser_client.get("users", params={"items_per_page": 2})
        last = await superuser_client.get("users", params={"items_per_page": 2, "page": 3})
        past = await superuser_client.get("users", params={"items_per_page": 2, "page": 9})

        body: dict[str, Any] = first.json()
        assert body.keys() == {"data", "total_count", "has_more", "page", "items_per_page"}
        assert [item["id"] for item in body["data"]] == [str(users[3].id), str(users[2].id)]
        assert (body["total_count"], body["has_more"]) == (5, True)
        assert [item["id"] for item in last.json()["data"]] == [str(superuser.id)]
        assert last.json()["has_more"] is False
        assert (past.json()["data"], past.json()["total_count"]) == ([], 5)

    async def test_searches(self, superuser_client: AsyncClient, session: AsyncSession) -> None:
        wanted = await create_user(session, name="50% off")
        await create_user(session, name="500 off")

        response = await superuser_client.get("users", params={"search": "50% OFF"})

        assert [item["id"] for item in response.json()["data"]] == [str(wanted.id)]

    @pytest.mark.parametrize(
        "params",
        [
            {"page": 0},
            {"page": 10**18},
            {"items_per_page": 0},
            {"items_per_page": 101},
            {"search": ""},
            {"itemsPerPage": 5},
        ],
    )
    async def test_refuses_unbounded_pages(
        self, superuser_client: AsyncClient, params: dict[str, str]
    ) -> None:
        assert (await superuser_client.get("users", params=params)).status_code == 422

    async def test_shows_rows_that_break_newer_rules(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_user(session, name="x", username="me", email="odd@host.invalid")

        assert (await superuser_client.get("users")).status_code == 200


class TestReadUser:
    async def test_shows_only_what_is_public(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        other = await create_user(session)

        response = await user_client.get(f"users/{other.id}")

        assert response.json().keys() == {"id", "name", "username", "profile_image_url"}

    @pytest.mark.parametrize("user_id", [str(uuid4()), "ada", "1"])
    async def test_unknown_ids_are_not_found(self, user_client: AsyncClient, user_id: str) -> None:
        response = await user_client.get(f"users/{user_id}")

        assert response.status_code == 404


class TestAnonymizeUser:
    async def test_erases_whose_account_it_was(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user_id, email, username = user.id, user.email, user.username

        response = await superuser_client.delete(f"users/{user_id}")

        assert response.status_code == 204
        session.expire_all()
        row = await session.scalar(
            select(User).where(User.id == user_id).options(undefer(User.hashed_password))
        )
        assert row is not None
        assert row.name == "Deleted user"
        assert row.username != username
        assert row.email != email
        assert row.hashed_password is None
        assert row.profile_image_url is None
        assert row.is_active is False
        assert row.is_deleted is True
        assert (await superuser_client.get("users")).status_code == 200
        assert (await superuser_client.delete(f"users/{user_id}")).status_code == 204
        assert (await superuser_client.delete(f"users/{uuid4()}")).status_code == 404

    async def test_is_for_superusers(self, user_client: AsyncClient, user: User) -> None:
        assert (await user_client.delete(f"users/{user.id}")).status_code == 403
