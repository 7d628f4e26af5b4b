"""`/admin`: the accounts with their roles, and the figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.models import LoginSession
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.fixtures.statements import statements
from tests.support import client_of

from .arrange import create_role, give, names

pytestmark = pytest.mark.anyio


def usernames(body: dict[str, Any]) -> list[str]:
    return [item["username"] for item in body["data"]]


class TestListUsersWithRoles:
    async def test_has_all_accounts_newest_first(
        self, superuser_client: AsyncClient, superuser: User, session: AsyncSession
    ) -> None:
        one, two = await create_user(session), await create_user(session)
        low, high = await create_role(session, rank=1), await create_role(session, rank=2)
        await give(session, one, low, high)

        response = await superuser_client.get("admin/users", params={"items_per_page": 2})
        rest = await superuser_client.get("admin/users", params={"items_per_page": 2, "page": 2})

        assert response.status_code == 200, response.text
        body = response.json()
        assert usernames(body) == [two.username, one.username]
        assert body["data"][0]["roles"] == []
        assert body["data"][1]["roles"] == [
            {"id": str(role.id), "name": role.name, "rank": role.rank} for role in (high, low)
        ]
        assert (body["total_count"], body["has_more"]) == (3, True)
        assert usernames(rest.json()) == [superuser.username]
        assert "hashed_password" not in response.text

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"status": "inactive"}, ["fern"]),
            ({"status": "active", "search": "E"}, ["eve", "dee"]),
            ({"role": "editor"}, ["fern", "eve"]),
            ({"role": "editor", "status": "active"}, ["eve"]),
            ({"role": "nobody"}, []),
            ({"search": "DEE"}, ["dee"]),
        ],
    )
    async def test_filters(
        self,
        superuser_client: AsyncClient,
        superuser: User,
        session: AsyncSession,
        params: dict[str, str],
        expected: list[str],
    ) -> None:
        superuser.name = superuser.username = superuser.email = "root"
        role = await create_role(session, name="editor")
        for name in ("dee", "eve", "fern"):
            user = await create_user(
                session, username=name, name=name, email=name, is_active=name != "fern"
            )
            if name != "dee":
                await give(session, user, role)

        response = await superuser_client.get("admin/users", params=params)

        assert usernames(response.json()) == expected
        assert response.json()["total_count"] == len(expected)

    @pytest.mark.parametrize(
        "params", [{"status": "asleep"}, {"role": "No Role"}, {"page": 0}, {"unknown": 1}]
    )
    async def test_refuses_unknown_questions(
        self, superuser_client: AsyncClient, params: dict[str, str]
    ) -> None:
        assert (await superuser_client.get("admin/users", params=params)).status_code == 422

    async def test_takes_two_queries_however_many_accounts(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        roles = [await create_role(session) for _ in range(3)]
        for _ in range(5):
            await give(session, await create_user(session), *roles)
        # What is asked once of each caller is asked by then.
        await superuser_client.get("admin/users")

        with statements() as seen:
            response = await superuser_client.get("admin/users")

        assert sum(len(item["roles"]) for item in response.json()["data"]) == 15
        # And one for who is asking.
        assert len(seen) == 3

    async def test_takes_both_permissions(
        self, user_client: AsyncClient, user: User, client: AsyncClient, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "users:read"))

        assert (await user_client.get("admin/users")).status_code == 403
        assert (await client.get("admin/users")).status_code == 401


class TestReadDashboard:
    async def test_counts_accounts_logins_and_roles(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        low, high = [await create_role(session, rank=it, name=f"of{it}") for it in (10, 20)]
        for values in (
            {"email_verified": True},
            {"is_active": False},
            {"is_active": False, "deleted_at": datetime.now(UTC), "email_verified": True},
        ):
            await give(session, await create_user(session, **values), low)

        response = await superuser_client.get("admin/dashboard")

        assert response.status_code == 200, response.text
        assert response.json() == {
            "total_users": 3,
            "active_users": 2,
            "inactive_users": 1,
            "verified_users": 1,
            "live_sessions": 1,
            "users_by_role": [
                {"id": str(high.id), "name": "of20", "rank": 20, "users": 0},
                {"id": str(low.id), "name": "of10", "rank": 10, "users": 2},
            ],
        }

    @pytest.mark.parametrize(
        "change",
        [
            {"revoked_at": datetime.now(UTC)},
            {"expires_at": datetime.now(UTC) - timedelta(seconds=1)},
        ],
        ids=["revoked", "expired"],
    )
    async def test_counts_no_login_that_is_over(
        self,
        app: FastAPI,
        state: dict[str, Any],
        superuser_client: AsyncClient,
        user: User,
        session: AsyncSession,
        change: dict[str, datetime],
    ) -> None:
        async with client_of(app, state) as client:
            await log_in(client, state, user)
        counts = [(await superuser_client.get("admin/dashboard")).json()["live_sessions"]]
        ended = update(LoginSession).where(LoginSession.user_id == user.id).values(change)
        await session.execute(ended)
        await session.commit()
        counts.append((await superuser_client.get("admin/dashboard")).json()["live_sessions"])

        assert counts == [2, 1]

    async def test_takes_two_queries_however_many_roles(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        for _ in range(5):
            await create_role(session)
        # What is asked once of each caller is asked by then.
        await superuser_client.get("admin/dashboard")

        with statements() as seen:
            response = await superuser_client.get("admin/dashboard")

        assert len(names(response.json()["users_by_role"])) == 5
        # And one for who is asking.
        assert len(seen) == 3

    async def test_takes_both_permissions(
        self, user_client: AsyncClient, user: User, client: AsyncClient, session: AsyncSession
    ) -> None:
        await give(session, user, await create_role(session, "roles:read"))

        assert (await user_client.get("admin/dashboard")).status_code == 403
        assert (await client.get("admin/dashboard")).status_code == 401
