from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.oauth.models import OAuthAccount
from app.modules.user.models import User
from tests.fixtures.auth import create_user
from tests.modules.oauth.parties import GitHub, Google, Person
from tests.support import client_of

from .samples import GOOGLE_ADA, finish

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


class TestNewcomer:
    @pytest.mark.parametrize(("provider", "subject"), [("google", GOOGLE_ADA), ("github", "1815")])
    async def test_gets_an_account(
        self,
        client: AsyncClient,
        session: AsyncSession,
        provider: str,
        subject: str,
    ) -> None:
        response = await finish(client, provider)

        assert response.status_code == 200, response.text
        assert response.json()["token_type"] == "bearer"
        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        account = (await client.get("users/me")).json()
        assert account["name"] == "Ada Lovelace"
        assert account["username"] == "ada_lovelace"
        assert account["email"] == "ada@example.com"
        assert account["email_verified"] is True
        row = await session.scalar(select(OAuthAccount))
        assert row is not None
        assert (row.provider, row.subject, row.email) == (provider, subject, "ada@example.com")
        assert row.last_login_at is not None
        hashed = await session.scalar(select(User.hashed_password))
        assert hashed is None

    async def test_is_said_to_be_vouched_for_by_another_party(
        self,
        client: AsyncClient,
    ) -> None:
        response = await finish(client, "github")

        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        sessions = (await client.get("auth/sessions")).json()
        assert [it["methods"] for it in sessions] == [["fed"]]

    async def test_takes_another_username_if_theirs_is_taken(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_user(session, username="ada_lovelace")

        response = await finish(client)

        assert response.status_code == 200, response.text
        name = await session.scalar(select(User.username).where(User.email == "ada@example.com"))
        assert name is not None
        assert name.startswith("ada_lovelace_")

    async def test_gets_the_canonical_address(
        self, client: AsyncClient, google: Google, session: AsyncSession
    ) -> None:
        google.account = "grace"

        await finish(client)

        assert await session.scalar(select(User.email)) == "grace@example.com"

    @pytest.mark.parametrize("provider", ["google", "github"])
    @pytest.mark.parametrize("account", ["mallory", "bob"])
    async def test_needs_an_address_that_the_provider_vouches_for(
        self,
        client: AsyncClient,
        google: Google,
        github: GitHub,
        session: AsyncSession,
        provider: str,
        account: str,
    ) -> None:
        google.account = github.account = account

        response = await finish(client, provider)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.unverified_email"
        assert await session.scalar(select(User.id)) is None

    @pytest.mark.parametrize("email", ["ada@localhost", "not an address", "a" * 250 + "@b.example"])
    async def test_needs_an_address_that_can_be_one(
        self, client: AsyncClient, google: Google, email: str
    ) -> None:
        google.people["ada"] = Person(1, "Ada", email)

        response = await finish(client)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.unverified_email"

    @pytest.mark.parametrize(
        ("value", "status"),
        [
            (True, 200),
            ("true", 200),
            ("false", 403),
            ("True", 403),
            (1, 403),
            ("", 403),
            ([1], 403),
        ],
    )
    async def test_nothing_but_true_is_true(
        self, client: AsyncClient, google: Google, value: object, status: int
    ) -> None:
        google.changes = {"email_verified": value}

        response = await finish(client)

        assert response.status_code == status

    async def test_stays_out_while_registration_is_closed(
        self, app: FastAPI, state: dict[str, Any], session: AsyncSession
    ) -> None:
        closed = state["auth_settings"].model_copy(update={"registration_enabled": False})
        async with client_of(app, state | {"auth_settings": closed}) as client:
            response = await finish(client)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.registration_closed"
        assert await session.scalar(select(User.id)) is None

    async def test_counts_as_a_registration(
        self, app: FastAPI, google: Google, state: dict[str, Any], session: AsyncSession
    ) -> None:
        few = state["auth_settings"].model_copy(update={"registrations_per_address": 1})
        async with client_of(app, state | {"auth_settings": few}) as client:
            first = await finish(client)
            again = await finish(client)
            google.account = "grace"
            second = await finish(client)

        assert [first.status_code, again.status_code, second.status_code] == [200, 200, 429]
        assert len((await session.scalars(select(User.id))).all()) == 1


class TestRegistration:
    @pytest.mark.parametrize(
        "field", ["google_id", "github_id", "oauth_provider", "provider", "subject"]
    )
    async def test_takes_no_id_of_a_provider(
        self, client: AsyncClient, session: AsyncSession, field: str
    ) -> None:
        """Else whoever registers somebody's id first would have them in his account."""
        response = await client.post(
            "users",
            json={
                "name": "Mallory",
                "username": "mallory",
                "email": "mallory@example.com",
                "password": "correct horse battery",
                field: GOOGLE_ADA,
            },
        )

        assert response.status_code == 422
        assert await session.scalar(select(User.id)) is None
