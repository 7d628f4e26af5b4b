"""`/users/{user_id}/roles`: who has which role, and who decides that."""

from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.role.models import UserRole
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in

from .arrange import create_member, create_role, give, ids, names, names_of

pytestmark = pytest.mark.anyio


class TestListUserRoles:
    async def test_has_the_highest_rank_first(
        self, admin_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        low = await create_role(session, "users:read", rank=10)
        high = await create_role(session, rank=30)
        await give(session, user, low, high)

        response = await admin_client.get(f"users/{user.id}/roles")

        assert response.status_code == 200
        assert names(response.json()) == [high.name, low.name]
        assert response.json()[1]["permissions"] == ["users:read"]

    async def test_takes_roles_read(
        self, user_client: AsyncClient, user: User, client: AsyncClient
    ) -> None:
        assert (await user_client.get(f"users/{user.id}/roles")).status_code == 403
        assert (await client.get(f"users/{user.id}/roles")).status_code == 401

    async def test_unknown_accounts_are_not_found(self, admin_client: AsyncClient) -> None:
        response = await admin_client.get(f"users/{uuid4()}/roles")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"


class TestListOwnRoles:
    async def test_is_for_everybody(
        self, user_client: AsyncClient, user: User, session: AsyncSession, client: AsyncClient
    ) -> None:
        assert (await user_client.get("users/me/roles")).json() == []
        role = await create_role(session, "users:read")
        await give(session, user, role)

        response = await user_client.get("users/me/roles")

        assert response.status_code == 200
        assert names(response.json()) == [role.name]
        assert (await client.get("users/me/roles")).status_code == 401


class TestReplaceUserRoles:
    async def test_gives_takes_and_keeps(
        self, admin_client: AsyncClient, admin: User, user: User, session: AsyncSession
    ) -> None:
        taken, kept, given = [
            await create_role(session, name=name) for name in ("taken", "kept", "given")
        ]
        await give(session, user, taken, kept)

        with capture_logs() as lines:
            response = await admin_client.put(f"users/{user.id}/roles", json=ids(kept, given))

        assert response.status_code == 200, response.text
        assert names(response.json()) == ["given", "kept"]
        assert await names_of(admin_client, user) == ["given", "kept"]
        (event,) = [line for line in lines if line["event"] == "security event"]
        assert event["name"] == "role_changed"
        assert (event["actor_id"], event["target_id"]) == (str(admin.id), str(user.id))
        assert (event["added"], event["removed"]) == ("given", "taken")

    async def test_a_second_time_changes_nothing(
        self, admin_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        role = await create_role(session)
        await admin_client.put(f"users/{user.id}/roles", json=ids(role))

        with capture_logs() as lines:
            response = await admin_client.put(f"users/{user.id}/roles", json=ids(role, role))

        assert names(response.json()) == [role.name]
        assert [line for line in lines if line["event"] == "security event"] == []

    async def test_an_empty_set_takes_all(
        self, admin_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session))

        response = await admin_client.put(f"users/{user.id}/roles", json={"roles": []})

        assert response.status_code == 200
        assert response.json() == []

    async def test_an_unknown_role_leaves_all_as_it_was(
        self, admin_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        present, wanted = await create_role(session), await create_role(session)
        await give(session, user, present)
        body = {"roles": [str(wanted.id), str(uuid4())]}

        response = await admin_client.put(f"users/{user.id}/roles", json=body)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:role.unknown"
        assert await names_of(admin_client, user) == [present.name]

    async def test_unknown_accounts_are_not_found(self, admin_client: AsyncClient) -> None:
        response = await admin_client.put(f"users/{uuid4()}/roles", json={"roles": []})

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"

    @pytest.mark.parametrize(
        "body", [{}, {"roles": None}, {"roles": ["editor"]}, {"roles": [str(uuid4())] * 21}]
    )
    async def test_refuses_what_breaks_a_rule(
        self, admin_client: AsyncClient, user: User, body: dict[str, object]
    ) -> None:
        assert (await admin_client.put(f"users/{user.id}/roles", json=body)).status_code == 422

    async def test_refuses_ones_own_account(
        self,
        admin_client: AsyncClient,
        admin: User,
        superuser_client: AsyncClient,
        superuser: User,
        session: AsyncSession,
    ) -> None:
        """Neither to rise nor to fall: the last administrator would be gone by a slip."""
        role = await create_role(session)

        for client, user in ((admin_client, admin), (superuser_client, superuser)):
            response = await client.put(f"users/{user.id}/roles", json=ids(role))

            assert response.status_code == 403
            assert response.json()["type"] == "urn:problem:user.outranked"

    @pytest.mark.parametrize("rank", [80, 90])
    async def test_refuses_accounts_that_are_not_below(
        self, admin_client: AsyncClient, session: AsyncSession, rank: int
    ) -> None:
        other = await create_member(session, rank=rank)

        with capture_logs() as lines:
            response = await admin_client.put(f"users/{other.id}/roles", json={"roles": []})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.outranked"
        assert len(await names_of(admin_client, other)) == 1
        assert [line["reason"] for line in lines if line["event"] == "security event"] == [
            "outranked"
        ]

    async def test_refuses_superusers(self, admin_client: AsyncClient, superuser: User) -> None:
        response = await admin_client.put(f"users/{superuser.id}/roles", json={"roles": []})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.outranked"

    @pytest.mark.parametrize("rank", [80, 90])
    async def test_refuses_roles_that_are_not_below(
        self, admin_client: AsyncClient, user: User, session: AsyncSession, rank: int
    ) -> None:
        role = await create_role(session, rank=rank)

        response = await admin_client.put(f"users/{user.id}/roles", json=ids(role))

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.outranked"
        assert await names_of(admin_client, user) == []

    async def test_refuses_to_give_an_accomplice_more_than_one_holds(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "roles:manage", rank=80))
        accomplice = await create_user(session)
        role = await create_role(session, "users:manage", rank=10)

        response = await user_client.put(f"users/{accomplice.id}/roles", json=ids(role))

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:role.permission_not_held"

    async def test_refuses_to_give_what_the_token_does_not_carry(
        self,
        client: AsyncClient,
        state: dict[str, Any],
        admin: User,
        user: User,
        session: AsyncSession,
    ) -> None:
        role = await create_role(session, "users:manage")
        await log_in(client, state, admin, scopes=["roles:manage"])

        refused = await client.put(f"users/{user.id}/roles", json=ids(role))
        await log_in(client, state, admin, scopes=["roles:manage", "users:manage"])
        admitted = await client.put(f"users/{user.id}/roles", json=ids(role))

        assert refused.json()["type"] == "urn:problem:role.permission_not_held"
        assert (refused.status_code, admitted.status_code) == (403, 200)

    async def test_takes_away_what_one_does_not_hold(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "roles:manage", rank=80))
        member = await create_member(session, "users:manage", rank=10)

        response = await user_client.put(f"users/{member.id}/roles", json={"roles": []})

        assert response.status_code == 200
        assert response.json() == []

    async def test_a_permission_that_is_gone_holds_nobody_back(
        self, admin_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        role = await create_role(session, "former:thing", "users:read")

        response = await admin_client.put(f"users/{user.id}/roles", json=ids(role))

        assert response.status_code == 200

    async def test_superusers_may_all(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        member = await create_member(session, rank=100)
        role = await create_role(session, "users:manage", rank=100)

        response = await superuser_client.put(f"users/{member.id}/roles", json=ids(role))

        assert names(response.json()) == [role.name]

    async def test_takes_roles_manage(
        self, user_client: AsyncClient, user: User, client: AsyncClient, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "roles:read", rank=80))
        path = f"users/{(await create_user(session)).id}/roles"

        assert (await user_client.put(path, json={"roles": []})).status_code == 403
        assert (await client.put(path, json={"roles": []})).status_code == 401


class TestPersonalData:
    async def test_is_exported(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(
            session,
            user,
            await create_role(session, name="writer"),
            await create_role(session, name="editor"),
        )

        response = await user_client.get("users/me/export")

        assert response.json()["roles"] == ["editor", "writer"]

    async def test_is_erased(self, superuser_client: AsyncClient, session: AsyncSession) -> None:
        member, other = await create_member(session), await create_member(session)

        for _ in range(2):
            assert (await superuser_client.delete(f"users/{member.id}")).status_code == 204

        left = await session.scalars(select(UserRole.user_id))
        assert list(left) == [other.id]
