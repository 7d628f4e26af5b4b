"""What roles permit, through the routes of others; and that it never outlives the role."""

from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, log_in
from tests.fixtures.statements import statements

from .arrange import create_member, create_role, give

pytestmark = pytest.mark.anyio


class TestRoles:
    async def test_open_what_they_permit_and_nothing_else(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:read"))

        assert (await user_client.get("users")).status_code == 200
        assert (await user_client.get(f"users/{user.id}/export")).status_code == 403

    async def test_add_up(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(
            session,
            user,
            await create_role(session, "users:read"),
            await create_role(session, "roles:read", "users:read"),
        )

        assert (await user_client.get("admin/users")).status_code == 200

    async def test_inherit_nothing_from_lower_ones(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await create_role(session, "users:read", rank=10)
        await give(session, user, await create_role(session, rank=100))

        assert (await user_client.get("users")).status_code == 403

    async def test_count_from_the_next_request_on(
        self, user_client: AsyncClient, user: User, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session, "users:read")
        path = f"users/{user.id}/roles"
        statuses = []
        for roles in ([], [str(role.id)], []):
            await admin_client.put(path, json={"roles": roles})
            statuses.append((await user_client.get("users")).status_code)

        assert statuses == [403, 200, 403]

    async def test_that_change_change_for_all_who_have_them(
        self, user_client: AsyncClient, user: User, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        role = await create_role(session, "users:read")
        await give(session, user, role)

        await admin_client.patch(f"roles/{role.id}", json={"permissions": []})

        assert (await user_client.get("users")).status_code == 403

    async def test_of_somebody_kept_out_open_nothing(
        self, user_client: AsyncClient, user: User, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:read"))

        await admin_client.post(f"users/{user.id}/deactivate")

        assert (await user_client.get("users")).status_code == 401

    async def test_cost_one_query(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
    ) -> None:
        await give(session, user, *[await create_role(session, "users:read") for _ in range(3)])
        counts = []
        for client in (superuser_client, user_client):
            with statements() as seen:
                assert (await client.get("users")).status_code == 200
            counts.append(len(seen))

        assert counts[1] - counts[0] == 1


class TestScopes:
    async def test_are_admitted_up_to_what_the_roles_permit(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:read"))
        form = {"username": user.username, "password": PASSWORD}

        admitted = await client.post("auth/token", data=form | {"scope": "users:read profile:read"})
        refused = await client.post("auth/token", data=form | {"scope": "users:read users:manage"})

        assert admitted.status_code == 200, admitted.text
        assert admitted.json()["scope"] == "profile:read users:read"
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:auth.invalid_scope"

    async def test_are_all_that_a_limited_token_opens(
        self, client: AsyncClient, state: dict[str, Any], user: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:read", "roles:read"))
        await log_in(client, state, user, scopes=["users:read"])

        assert (await client.get("users")).status_code == 200
        refused = await client.get("roles")

        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:auth.insufficient_scope"
        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", scope="roles:read"'
        )

    async def test_name_all_that_is_missing(
        self, client: AsyncClient, state: dict[str, Any], user: User
    ) -> None:
        await log_in(client, state, user, scopes=["profile:read"])

        refused = await client.get("admin/users")

        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", scope="roles:read users:read"'
        )

    async def test_do_not_outlive_the_role(
        self, client: AsyncClient, user: User, admin_client: AsyncClient, session: AsyncSession
    ) -> None:
        """Neither the token that has it nor the one it is exchanged for."""
        await give(session, user, await create_role(session, "users:read"))
        form = {"username": user.username, "password": PASSWORD, "scope": "users:read"}
        tokens = (await client.post("auth/token", data=form)).json()
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("users", headers=headers)).status_code == 200

        await admin_client.put(f"users/{user.id}/roles", json={"roles": []})

        assert (await client.get("users", headers=headers)).status_code == 403
        refresh = {"refresh_token": tokens["refresh_token"]}
        renewed = (await client.post("auth/refresh", json=refresh)).json()
        assert renewed["scope"] == "users:read"
        headers = {"authorization": f"Bearer {renewed['access_token']}"}
        refused = await client.get("users", headers=headers)
        assert refused.status_code == 403
        assert refused.headers["www-authenticate"] == (
            'Bearer error="insufficient_scope", scope="users:read"'
        )


class TestRank:
    @pytest.mark.parametrize(
        ("own", "other", "status"), [(40, 39, 200), (40, 40, 403), (40, 41, 403), (0, 0, 403)]
    )
    async def test_decides_who_keeps_whom_out(
        self,
        user_client: AsyncClient,
        user: User,
        session: AsyncSession,
        own: int,
        other: int,
        status: int,
    ) -> None:
        await give(session, user, await create_role(session, "users:manage", rank=own))
        member = await create_member(session, rank=other)

        response = await user_client.post(f"users/{member.id}/deactivate")

        assert response.status_code == status

    async def test_is_that_of_the_highest_role(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await give(
            session,
            user,
            await create_role(session, rank=60),
            await create_role(session, "users:manage", rank=10),
        )
        member = await create_member(session, rank=50)

        response = await user_client.post(f"users/{member.id}/deactivate")

        assert response.status_code == 200

    async def test_never_reaches_superusers(
        self, user_client: AsyncClient, user: User, superuser: User, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:manage", rank=100))

        assert (await user_client.delete(f"users/{superuser.id}")).status_code == 403
