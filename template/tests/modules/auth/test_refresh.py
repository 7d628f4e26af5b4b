import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import token_hash
from app.infrastructure.security.settings import AuthSettings
from app.modules.auth.models import LoginSession, RefreshToken
from app.modules.user.models import User
from tests.fixtures.auth import ADA, PASSWORD, Witness

pytestmark = pytest.mark.anyio


async def log_in(client: AsyncClient, user: User, **form: str) -> dict[str, Any]:
    data = {"username": user.username, "password": PASSWORD} | form
    response = await client.post("auth/token", data=data)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def refresh(client: AsyncClient, token: str) -> tuple[int, dict[str, Any]]:
    response = await client.post("auth/refresh", json={"refresh_token": token})
    return response.status_code, response.json()


async def status_of(client: AsyncClient, access_token: str) -> int:
    headers = {"authorization": f"Bearer {access_token}"}
    return (await client.get("users/me", headers=headers)).status_code


async def used_long_ago(session: AsyncSession) -> None:
    """Let the grace for double use be over."""
    await session.execute(
        update(RefreshToken)
        .where(RefreshToken.used_at.is_not(None))
        .values(used_at=datetime.now(UTC) - timedelta(minutes=1))
    )
    await session.commit()


class TestLogIn:
    async def test_hands_out_a_pair(self, client: AsyncClient, user: User) -> None:
        pair = await log_in(client, user)

        assert pair.keys() == {
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "refresh_expires_in",
        }
        assert 604_790 <= pair["refresh_expires_in"] <= 604_800

    async def test_stores_only_the_hash_of_the_refresh_token(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        pair = await log_in(client, user)

        stored = (await session.scalars(select(RefreshToken.token_hash))).all()

        assert stored == [token_hash(pair["refresh_token"])]

    async def test_a_refresh_token_is_no_access_token(
        self, client: AsyncClient, user: User
    ) -> None:
        pair = await log_in(client, user)

        assert await status_of(client, pair["refresh_token"]) == 401

    async def test_remembers_where_it_came_from(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        client.headers["user-agent"] = "Browser\x01 " + "x" * 300
        await log_in(client, user)

        record = (await session.scalars(select(LoginSession))).one()

        assert record.user_agent == "Browser " + "x" * 247
        assert record.address == "127.0.0.1"
        assert (record.kind, record.methods, record.scope) == ("token", "pwd", None)


class TestRefresh:
    async def test_exchanges_the_pair(self, client: AsyncClient, user: User) -> None:
        first = await log_in(client, user)

        status, second = await refresh(client, first["refresh_token"])

        assert status == 200
        assert second["refresh_token"] != first["refresh_token"]
        assert await status_of(client, second["access_token"]) == 200
        assert await status_of(client, first["access_token"]) == 200

    async def test_an_access_token_is_no_refresh_token(
        self, client: AsyncClient, user: User
    ) -> None:
        pair = await log_in(client, user)

        status, body = await refresh(client, pair["access_token"])

        assert status == 422
        assert body["type"] == "urn:problem:request.invalid"

    async def test_keeps_what_the_login_was_limited_to(
        self, client: AsyncClient, user: User
    ) -> None:
        first = await log_in(client, user, scope="profile:read")

        _, second = await refresh(client, first["refresh_token"])

        assert first["scope"] == second["scope"] == "profile:read"
        headers = {"authorization": f"Bearer {second['access_token']}"}
        refused = await client.patch("users/me", json={"name": "No"}, headers=headers)
        assert refused.status_code == 403

    async def test_refuses_one_that_comes_back_and_ends_the_session(
        self, client: AsyncClient, user: User, session: AsyncSession, witness: Witness
    ) -> None:
        """The refusal must not roll back what it does about the theft."""
        first = await log_in(client, user)
        _, second = await refresh(client, first["refresh_token"])
        await used_long_ago(session)

        status, body = await refresh(client, first["refresh_token"])

        assert (status, body["type"]) == (401, "urn:problem:auth.invalid_refresh_token")
        assert (await refresh(client, second["refresh_token"]))[0] == 401
        assert await status_of(client, second["access_token"]) == 401
        assert witness.names[-1] == "token_reuse_detected"
        assert witness.events[-1].is_warning
        assert witness.events[-1].target_id == user.id

    async def test_leaves_other_sessions_alone_then(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        stolen, other = await log_in(client, user), await log_in(client, user)
        await refresh(client, stolen["refresh_token"])
        await used_long_ago(session)
        await refresh(client, stolen["refresh_token"])

        assert await status_of(client, other["access_token"]) == 200

    async def test_forgives_a_double_use_at_the_same_moment(
        self, client: AsyncClient, user: User
    ) -> None:
        first = await log_in(client, user)
        _, second = await refresh(client, first["refresh_token"])

        status, _ = await refresh(client, first["refresh_token"])

        assert status == 401
        assert await status_of(client, second["access_token"]) == 200
        assert (await refresh(client, second["refresh_token"]))[0] == 200

    async def test_shows_a_theft_after_the_session_has_ended_too(
        self, client: AsyncClient, user: User, session: AsyncSession, witness: Witness
    ) -> None:
        first = await log_in(client, user)
        await refresh(client, first["refresh_token"])
        await used_long_ago(session)
        await refresh(client, first["refresh_token"])
        witness.events.clear()

        assert (await refresh(client, first["refresh_token"]))[0] == 401
        assert witness.names == []

    @pytest.mark.parametrize("change", ["is_active", "deleted_at"])
    async def test_refuses_a_closed_account(
        self, client: AsyncClient, user: User, session: AsyncSession, change: str
    ) -> None:
        pair = await log_in(client, user)
        setattr(user, change, False if change == "is_active" else datetime.now(UTC))
        await session.commit()

        assert (await refresh(client, pair["refresh_token"]))[0] == 401

    @pytest.mark.parametrize("table", [RefreshToken, LoginSession])
    async def test_refuses_what_has_expired(
        self,
        client: AsyncClient,
        user: User,
        session: AsyncSession,
        table: type[RefreshToken | LoginSession],
    ) -> None:
        pair = await log_in(client, user)
        await session.execute(update(table).values(expires_at=datetime.now(UTC)))
        await session.commit()

        assert (await refresh(client, pair["refresh_token"]))[0] == 401

    async def test_does_not_outlive_the_session(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        pair = await log_in(client, user)
        soon = datetime.now(UTC) + timedelta(seconds=100)
        await session.execute(update(LoginSession).values(expires_at=soon))
        await session.commit()

        _, second = await refresh(client, pair["refresh_token"])

        assert 90 <= second["refresh_expires_in"] <= 100

    @pytest.mark.parametrize("token", ["x", "é", "a" * 200])
    async def test_refuses_an_unknown_one(self, client: AsyncClient, token: str) -> None:
        status, body = await refresh(client, token)

        assert (status, body["type"]) == (401, "urn:problem:auth.invalid_refresh_token")


class TestConcurrency:
    async def test_of_two_at_once_exactly_one_wins(
        self, client: AsyncClient, committed: Database
    ) -> None:
        await client.post("users", json=ADA)
        login = await client.post(
            "auth/token", data={"username": ADA["username"], "password": PASSWORD}
        )
        token = login.json()["refresh_token"]

        answers = await asyncio.gather(*(refresh(client, token) for _ in range(8)))

        assert Counter(status for status, _ in answers) == {200: 1, 401: 7}
        (winner,) = (body for status, body in answers if status == 200)
        assert (await refresh(client, winner["refresh_token"]))[0] == 200
        async with committed.reading() as session:
            assert await session.scalar(select(func.count()).select_from(RefreshToken)) == 3

    async def test_a_theft_is_noticed_with_connections_of_their_own(
        self,
        client: AsyncClient,
        committed: Database,  # noqa: ARG002 (what a refusal stores is committed for real)
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(refresh_grace_seconds=0)
        await client.post("users", json=ADA)
        login = await client.post(
            "auth/token", data={"username": ADA["username"], "password": PASSWORD}
        )
        first = login.json()
        _, second = await refresh(client, first["refresh_token"])

        assert (await refresh(client, first["refresh_token"]))[0] == 401
        assert (await refresh(client, second["refresh_token"]))[0] == 401
        assert await status_of(client, second["access_token"]) == 401
