"""Changing a password, and proving again who one is."""

from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response

from app.infrastructure.security.settings import AuthSettings
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, Witness, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

NEW = "a sentence nobody else has"


@pytest.fixture
async def old_login(app: FastAPI, state: dict[str, Any], user: User) -> AsyncGenerator[AsyncClient]:
    """Logged in as `user` since an hour ago."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, user, age=timedelta(hours=1))


async def change(client: AsyncClient, current: str = PASSWORD, new: str = NEW) -> Response:
    return await client.post(
        "auth/change-password", json={"current_password": current, "new_password": new}
    )


async def can_log_in(client: AsyncClient, user: User, password: str) -> bool:
    data = {"username": user.username, "password": password}
    return (await client.post("auth/token", data=data)).status_code == 200


class TestChangeOwnPassword:
    async def test_takes_the_new_one_from_now_on(
        self, user_client: AsyncClient, client: AsyncClient, user: User, witness: Witness
    ) -> None:
        response = await change(user_client)

        assert response.status_code == 204, response.text
        assert "password_changed" in witness.names
        assert await can_log_in(client, user, NEW)
        assert not await can_log_in(client, user, PASSWORD)

    async def test_ends_every_other_login_at_once(
        self, user_client: AsyncClient, old_login: AsyncClient
    ) -> None:
        await change(user_client)

        assert (await user_client.get("users/me")).status_code == 200
        assert (await old_login.get("users/me")).status_code == 401

    async def test_takes_the_current_one(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        response = await change(user_client, current="not the password")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.wrong_password"
        assert await can_log_in(client, user, PASSWORD)

    async def test_does_not_let_a_stolen_session_guess_on(
        self, user_client: AsyncClient, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=2)

        answers = [await change(user_client, current="not the password") for _ in range(3)]

        assert [it.status_code for it in answers] == [403, 403, 429]

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("too short", "request.invalid"),
            ("x" * 129, "request.invalid"),
            ("password1234", "user.weak_password"),
            ("{email}", "user.weak_password"),
        ],
    )
    async def test_follows_the_policy(
        self, user_client: AsyncClient, client: AsyncClient, user: User, password: str, code: str
    ) -> None:
        chosen = password.format(email=user.email)

        response = await change(user_client, new=chosen)

        assert response.status_code == 422
        assert response.json()["type"] == f"urn:problem:{code}"
        assert chosen not in response.text
        assert await can_log_in(client, user, PASSWORD)

    async def test_opens_a_lock(
        self,
        user_client: AsyncClient,
        client: AsyncClient,
        user: User,
        adjust_auth: Callable[..., AuthSettings],
    ) -> None:
        adjust_auth(failures_per_account=1)
        await can_log_in(client, user, "not the password")
        await can_log_in(client, user, "not the password")

        await change(user_client)

        assert await can_log_in(client, user, NEW)


class TestConfirmLogin:
    async def test_makes_an_old_login_recent(self, old_login: AsyncClient) -> None:
        before = await old_login.delete("users/me")

        response = await old_login.post("auth/confirm", json={"current_password": PASSWORD})

        assert before.status_code == 403
        assert before.json()["type"] == "urn:problem:auth.recent_login_required"
        assert response.status_code == 204
        assert (await old_login.delete("users/me")).status_code == 204

    async def test_takes_the_password(self, old_login: AsyncClient) -> None:
        response = await old_login.post("auth/confirm", json={"current_password": "wrong"})

        assert response.status_code == 403
        assert (await old_login.delete("users/me")).status_code == 403
