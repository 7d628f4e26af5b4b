from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import JsonValue
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.core.extensions import Extensions
from app.modules.user.crud import UserCRUD
from app.modules.user.errors import OutrankedError
from app.modules.user.models import User
from app.modules.user.permissions import Policy
from app.modules.user.privacy import PersonalData
from app.modules.user.service import UserService
from tests.fixtures.auth import Witness, create_user, log_in
from tests.support import client_of

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

    async def test_is_one_transaction_with_what_every_feature_holds(
        self,
        app: FastAPI,
        superuser: User,
        user: User,
        session: AsyncSession,
        state: dict[str, Any],
    ) -> None:
        class Broken(PersonalData):
            name: ClassVar[str] = "broken"

            async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:  # noqa: ARG002
                return None

            async def erase(self, session: AsyncSession, user_id: UUID) -> None:  # noqa: ARG002
                raise OutrankedError

        async with client_of(app, {**state, "extensions": Extensions([Broken()])}) as client:
            await log_in(client, state, superuser)
            response = await client.delete(f"users/{user.id}")

        assert response.status_code == 403
        await session.refresh(user)
        assert (user.is_deleted, user.is_active) == (False, True)

    async def test_leaves_no_login(
        self, superuser_client: AsyncClient, user_client: AsyncClient, user: User
    ) -> None:
        await superuser_client.delete(f"users/{user.id}")

        assert (await user_client.get("users/me")).status_code == 401

    async def test_is_recorded_without_a_name(
        self, superuser_client: AsyncClient, user: User, witness: Witness
    ) -> None:
        await superuser_client.delete(f"users/{user.id}")

        (event,) = witness.events
        assert (event.name, event.target_id, dict(event.details)) == (
            "account_anonymized",
            user.id,
            {},
        )

    async def test_not_oneself(self, superuser_client: AsyncClient, superuser: User) -> None:
        response = await superuser_client.delete(f"users/{superuser.id}")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.outranked"

    async def test_is_for_administrators(self, user_client: AsyncClient, user: User) -> None:
        assert (await user_client.delete(f"users/{user.id}")).status_code == 403


class TestDeactivateUser:
    async def test_keeps_out_at_once_until_activated(
        self,
        superuser_client: AsyncClient,
        user_client: AsyncClient,
        user: User,
        witness: Witness,
    ) -> None:
        first = await superuser_client.post(f"users/{user.id}/deactivate")
        kept_out = await user_client.get("users/me")
        again = await superuser_client.post(f"users/{user.id}/deactivate")
        activated = await superuser_client.post(f"users/{user.id}/activate")
        await superuser_client.post(f"users/{user.id}/activate")

        assert (first.status_code, first.json()["is_active"]) == (200, False)
        assert kept_out.status_code == 401
        assert again.status_code == 200
        assert activated.json()["is_active"] is True
        # A new login is possible; none of before comes back.
        assert (await user_client.get("users/me")).status_code == 401
        assert witness.names == ["account_deactivated", "account_activated"]

    async def test_another_superuser_can_be_but_not_oneself(
        self, superuser_client: AsyncClient, superuser: User, session: AsyncSession
    ) -> None:
        other = await create_user(session, is_superuser=True)

        assert (await superuser_client.post(f"users/{other.id}/deactivate")).status_code == 200
        assert (await superuser_client.post(f"users/{superuser.id}/deactivate")).status_code == 403

    @pytest.mark.parametrize("action", ["activate", "deactivate"])
    async def test_is_for_administrators(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User, action: str
    ) -> None:
        assert (await user_client.post(f"users/{user.id}/{action}")).status_code == 403
        assert (await superuser_client.post(f"users/{uuid4()}/{action}")).status_code == 404


class TestRank:
    """Who is not a superuser manages only those whom a policy ranks below them."""

    @pytest.mark.parametrize(
        ("own", "theirs", "account", "outcome"),
        [
            (5, 4, {}, nullcontext()),
            (5, 5, {}, pytest.raises(OutrankedError)),
            (4, 5, {}, pytest.raises(OutrankedError)),
            (5, 0, {"is_superuser": True}, pytest.raises(OutrankedError)),
        ],
    )
    async def test_decides(
        self,
        session: AsyncSession,
        own: int,
        theirs: int,
        account: dict[str, bool],
        outcome: AbstractContextManager[object],
    ) -> None:
        by, user = await create_user(session), await create_user(session, **account)

        class Ranks(Policy):
            async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:  # noqa: ARG002
                return ()

            async def rank(self, session: AsyncSession, user_id: UUID) -> int:  # noqa: ARG002
                return own if user_id == by.id else theirs

        service: Any = UserService(UserCRUD(session), Any, Any, Extensions([Ranks()]))  # type: ignore[arg-type]
        with outcome:
            await service.require_rank(by, user)


class TestExportData:
    async def test_is_the_same_copy_that_the_person_gets(
        self, superuser_client: AsyncClient, user_client: AsyncClient, user: User
    ) -> None:
        response = await superuser_client.get(f"users/{user.id}/export")

        assert response.status_code == 200
        assert response.json()["account"]["email"] == user.email
        assert response.json().keys() == (await user_client.get("users/me/export")).json().keys()

    async def test_is_for_administrators(
        self, user_client: AsyncClient, superuser_client: AsyncClient, superuser: User
    ) -> None:
        assert (await user_client.get(f"users/{superuser.id}/export")).status_code == 403
        assert (await superuser_client.get(f"users/{uuid4()}/export")).status_code == 404
