from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import purge
from app.infrastructure.security.settings import AuthSettings
from app.modules.auth.models import LoginSession, RefreshToken
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, Witness, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other_device(
    app: FastAPI, state: dict[str, Any], user: User
) -> AsyncGenerator[AsyncClient]:
    """Another login of `user`."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, user)


async def is_in(client: AsyncClient) -> bool:
    return (await client.get("users/me")).status_code == 200


class TestLogOut:
    async def test_ends_this_login_at_once(
        self, user_client: AsyncClient, other_device: AsyncClient, witness: Witness
    ) -> None:
        response = await user_client.post("auth/logout")

        assert response.status_code == 204
        assert not await is_in(user_client)
        assert await is_in(other_device)
        assert witness.names == ["logout"]

    async def test_ends_its_refresh_token(self, client: AsyncClient, user: User) -> None:
        pair = (
            await client.post("auth/token", data={"username": user.username, "password": PASSWORD})
        ).json()
        headers = {"authorization": f"Bearer {pair['access_token']}"}
        await client.post("auth/logout", headers=headers)

        response = await client.post("auth/refresh", json={"refresh_token": pair["refresh_token"]})

        assert response.status_code == 401

    async def test_everywhere_ends_all(
        self,
        user_client: AsyncClient,
        other_device: AsyncClient,
        superuser_client: AsyncClient,
        witness: Witness,
    ) -> None:
        response = await user_client.post("auth/logout-everywhere")

        assert response.status_code == 204
        assert not await is_in(user_client)
        assert not await is_in(other_device)
        assert await is_in(superuser_client)
        assert [dict(event.details) for event in witness.events] == [{"sessions": 2}]


class TestListOwnSessions:
    async def test_tells_where_one_is_logged_in(
        self, user_client: AsyncClient, other_device: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        response = await user_client.get("auth/sessions")

        assert response.status_code == 200
        newest, oldest = response.json()
        assert newest.keys() == {
            "id",
            "kind",
            "methods",
            "scope",
            "created_at",
            "authenticated_at",
            "last_used_at",
            "expires_at",
            "address",
            "user_agent",
            "is_current",
        }
        assert (newest["is_current"], oldest["is_current"]) == (False, True)
        assert (newest["kind"], newest["methods"]) == ("token", ["pwd"])
        assert await is_in(other_device)
        assert await is_in(superuser_client)

    async def test_leaves_out_those_that_are_over(
        self, user_client: AsyncClient, other_device: AsyncClient, session: AsyncSession
    ) -> None:
        await other_device.post("auth/logout")

        assert len((await user_client.get("auth/sessions")).json()) == 1
        assert await session.scalar(select(func.count()).select_from(LoginSession)) == 2


class TestRevokeOwnSession:
    async def test_ends_one_of_them(
        self, user_client: AsyncClient, other_device: AsyncClient, witness: Witness
    ) -> None:
        sessions = (await user_client.get("auth/sessions")).json()
        (other,) = (it["id"] for it in sessions if not it["is_current"])

        response = await user_client.delete(f"auth/sessions/{other}")

        assert response.status_code == 204
        assert not await is_in(other_device)
        assert await is_in(user_client)
        assert witness.names == ["token_revoked"]
        assert (await user_client.delete(f"auth/sessions/{other}")).status_code == 404

    async def test_not_somebody_elses(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        (theirs,) = (await superuser_client.get("auth/sessions")).json()

        response = await user_client.delete(f"auth/sessions/{theirs['id']}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:auth.session_not_found"
        assert await is_in(superuser_client)

    async def test_takes_a_recent_login(
        self, app: FastAPI, state: dict[str, Any], user: User
    ) -> None:
        """Whoever stole an old one must not keep its owner out."""
        async with client_of(app, state) as client:
            await log_in(client, state, user, age=timedelta(hours=1))
            one = await client.delete(f"auth/sessions/{uuid4()}")
            every = await client.post("auth/logout-everywhere")

        assert [it.status_code for it in (one, every)] == [403, 403]
        assert one.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_an_unknown_one_is_not_found(self, user_client: AsyncClient) -> None:
        assert (await user_client.delete(f"auth/sessions/{uuid4()}")).status_code == 404


class TestRevokeSessions:
    async def test_ends_all_logins_of_an_account(
        self, superuser_client: AsyncClient, user_client: AsyncClient, user: User
    ) -> None:
        response = await superuser_client.delete(f"users/{user.id}/sessions")

        assert response.status_code == 204
        assert not await is_in(user_client)

    async def test_is_for_administrators(
        self, user_client: AsyncClient, superuser_client: AsyncClient, superuser: User, user: User
    ) -> None:
        refused = await user_client.delete(f"users/{user.id}/sessions")
        own = await superuser_client.delete(f"users/{superuser.id}/sessions")
        unknown = await superuser_client.delete(f"users/{uuid4()}/sessions")

        assert [it.status_code for it in (refused, own, unknown)] == [403, 403, 404]


class TestLimits:
    async def test_one_login_too_many_ends_the_oldest(
        self,
        user_client: AsyncClient,
        other_device: AsyncClient,
        client: AsyncClient,
        user: User,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(sessions_per_user=2)

        await client.post("auth/token", data={"username": user.username, "password": PASSWORD})

        assert not await is_in(user_client)
        assert await is_in(other_device)

    async def test_a_session_ends_however_active_it_is(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await session.execute(update(LoginSession).values(expires_at=datetime.now(UTC)))
        await session.commit()

        assert not await is_in(user_client)


class TestPurge:
    async def test_keeps_revoked_ones_until_they_expire(
        self, user_client: AsyncClient, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        """Else a stolen token that comes back would look like one that never was."""
        await user_client.post("auth/logout")
        record = (await session.scalars(select(LoginSession))).one()
        session.add(
            RefreshToken(session_id=record.id, token_hash="0" * 64, expires_at=datetime.now(UTC))
        )
        await session.commit()

        kept = await purge(state["database"], state["extensions"])
        await session.execute(
            update(LoginSession).values(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        )
        await session.commit()
        gone = await purge(state["database"], state["extensions"])

        assert (kept["login_sessions"], gone["login_sessions"]) == (0, 1)
        assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 0
