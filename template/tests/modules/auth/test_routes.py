from typing import Any

import jwt
import pytest
from argon2 import PasswordHasher as Argon2
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.tokens import AccessTokens
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user

pytestmark = pytest.mark.anyio


class TestLogIn:
    @pytest.mark.parametrize("spelling", ["{username}", "{email}", "{EMAIL}", "{USERNAME}"])
    async def test_takes_the_username_or_the_email(
        self, client: AsyncClient, user: User, spelling: str
    ) -> None:
        identifier = spelling.format(
            username=user.username,
            USERNAME=user.username.upper(),
            email=user.email,
            EMAIL=user.email.upper(),
        )

        response = await client.post(
            "auth/token", data={"username": identifier, "password": PASSWORD}
        )

        assert response.status_code == 200, response.text
        assert response.json()["token_type"] == "bearer"
        assert response.json()["expires_in"] == 1800

    async def test_the_token_opens_the_account(
        self, client: AsyncClient, user: User, state: dict[str, Any]
    ) -> None:
        response = await client.post(
            "auth/token", data={"username": user.username, "password": PASSWORD}
        )

        token = response.json()["access_token"]
        tokens: AccessTokens = state["tokens"]()
        assert tokens.read(token).user_id == user.id
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims.keys() == {"sub", "sid", "jti", "iss", "aud", "iat", "nbf", "exp", "type"}

    @pytest.mark.parametrize(
        ("identifier", "password"),
        [
            ("{username}", "not the password"),
            ("nobody", PASSWORD),
            ("nobody@example.com", PASSWORD),
            ("not an address@", PASSWORD),
        ],
    )
    async def test_one_answer_for_every_failure(
        self, client: AsyncClient, user: User, identifier: str, password: str
    ) -> None:
        response = await client.post(
            "auth/token",
            data={"username": identifier.format(username=user.username), "password": password},
        )

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        body = response.json()
        assert body["type"] == "urn:problem:auth.invalid_credentials"
        assert body["detail"] == "The username or the password is wrong."

    async def test_refuses_an_account_without_a_password(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        user = await create_user(session, hashed_password=None)

        response = await client.post(
            "auth/token",
            data={"username": user.username, "password": "the password of no account"},
        )

        assert response.status_code == 401

    async def test_refuses_an_inactive_account(
        self, client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.is_active = False
        await session.commit()

        response = await client.post(
            "auth/token", data={"username": user.username, "password": PASSWORD}
        )

        assert response.status_code == 401

    async def test_strengthens_an_old_hash(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        weak = Argon2(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        user = await create_user(session, hashed_password=weak)

        await client.post("auth/token", data={"username": user.username, "password": PASSWORD})

        stored = await session.scalar(select(User.hashed_password).where(User.id == user.id))
        assert stored is not None
        assert stored != weak
        assert "m=64," in stored

    async def test_refuses_what_no_username_can_be(self, client: AsyncClient) -> None:
        response = await client.post(
            "auth/token", data={"username": "a\x00b", "password": PASSWORD}
        )

        assert response.status_code == 422

    async def test_does_not_echo_the_form(self, client: AsyncClient) -> None:
        response = await client.post("auth/token", data={"password": PASSWORD})

        assert response.status_code == 422
        assert PASSWORD not in response.text
