from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.modules.throttle.service import Throttle
from app.modules.user.accounts import EmailChange
from app.modules.user.models import User
from tests.fixtures.auth import ADA, PASSWORD, create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


class TestReadOwnAccount:
    async def test_answers_the_caller(self, user_client: AsyncClient, user: User) -> None:
        response = await user_client.get("users/me")

        assert response.status_code == 200
        assert response.json()["id"] == str(user.id)
        assert response.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        "header", [{}, {"authorization": "Bearer x.y.z"}, {"authorization": "Basic eDp5"}]
    )
    async def test_refuses_everyone_else(self, client: AsyncClient, header: dict[str, str]) -> None:
        response = await client.get("users/me", headers=header)

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json()["type"] == "urn:problem:auth.not_authenticated"

    @pytest.mark.parametrize("change", ["is_active", "deleted_at"])
    async def test_a_token_ends_with_the_account(
        self, user_client: AsyncClient, user: User, session: AsyncSession, change: str
    ) -> None:
        setattr(user, change, False if change == "is_active" else user.created_at)
        await session.commit()

        assert (await user_client.get("users/me")).status_code == 401


class TestUpdateOwnAccount:
    async def test_leaves_absent_fields_alone(self, user_client: AsyncClient, user: User) -> None:
        response = await user_client.patch("users/me", json={"name": "After"})

        assert response.status_code == 200, response.text
        assert response.json()["name"] == "After"
        assert response.json()["email"] == user.email

    async def test_an_empty_change_changes_nothing(
        self, user_client: AsyncClient, user: User
    ) -> None:
        response = await user_client.patch("users/me", json={})

        assert response.status_code == 200
        assert response.json()["name"] == user.name

    @pytest.mark.parametrize("field", ["name", "username", "email"])
    async def test_refuses_null(self, user_client: AsyncClient, field: str) -> None:
        response = await user_client.patch("users/me", json={field: None})

        assert response.status_code == 422

    async def test_removes_the_image_with_null(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.profile_image_url = "https://example.com/a.png"
        await session.commit()

        response = await user_client.patch("users/me", json={"profile_image_url": None})

        assert response.json()["profile_image_url"] is None

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://example.com/a",
            "http://example.com/a",
            "nowhere",
            "https://example.com/'onerror='",
            "https://example.com/" + "a" * 2048,
        ],
    )
    async def test_refuses_images_that_are_not_https(
        self, user_client: AsyncClient, url: str
    ) -> None:
        response = await user_client.patch("users/me", json={"profile_image_url": url})

        assert response.status_code == 422

    @pytest.mark.parametrize("given", [{}, {"current_password": "not the password"}])
    async def test_a_new_email_takes_the_password(
        self, user_client: AsyncClient, given: dict[str, str]
    ) -> None:
        response = await user_client.patch("users/me", json={"email": "new@example.com"} | given)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.wrong_password"

    async def test_refuses_a_password_that_is_no_text(self, user_client: AsyncClient) -> None:
        response = await user_client.patch(
            "users/me",
            content=b'{"email": "new@example.com", "current_password": "\\ud800"}',
            headers={"content-type": "application/json"},
        )

        assert response.status_code == 422

    async def test_the_same_email_needs_no_password(
        self, user_client: AsyncClient, user: User
    ) -> None:
        response = await user_client.patch("users/me", json={"email": user.email.upper()})

        assert response.status_code == 200

    async def test_refuses_a_taken_username(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_user(session, username="taken")

        response = await user_client.patch("users/me", json={"username": "taken"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:user.username_taken"

    async def test_stamps_the_time(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.updated_at = user.created_at.replace(year=2020)
        await session.commit()

        response = await user_client.patch("users/me", json={"name": "After"})

        assert not response.json()["updated_at"].startswith("2020")


class Asking(EmailChange):
    """Takes a change over, and only notes it."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    async def admit(self, throttle: Throttle, user_id: UUID, email: str) -> None:  # noqa: ARG002
        self.noted.append(f"may it be {email}?")

    async def request(self, session: AsyncSession, user: User, email: str) -> None:
        assert session.in_transaction()
        self.noted.append(f"{user.email} is to be {email}")


class TestChangeOfEmail:
    """`EmailChange` decides, and who is switched on must not matter here."""

    @pytest.fixture
    async def change(
        self, app: FastAPI, state: dict[str, Any], user: User, session: AsyncSession
    ) -> Callable[..., Awaitable[Response]]:
        user.email_verified = True
        await session.commit()

        async def change(*offered: EmailChange) -> Response:
            async with client_of(app, state | {"extensions": Extensions(offered)}) as client:
                await log_in(client, state, user)
                return await client.patch(
                    "users/me", json={"email": "New@Example.com", "current_password": PASSWORD}
                )

        return change

    async def test_counts_at_once_and_is_not_verified(
        self, change: Callable[..., Awaitable[Response]]
    ) -> None:
        response = await change()

        assert response.status_code == 200, response.text
        assert response.json()["email"] == "new@example.com"
        assert response.json()["email_verified"] is False

    async def test_may_be_taken_over(
        self, change: Callable[..., Awaitable[Response]], user: User
    ) -> None:
        asking = Asking()

        response = await change(asking)

        assert response.status_code == 200, response.text
        assert response.json()["email"] == user.email
        assert response.json()["email_verified"] is True
        assert asking.noted == [
            "may it be new@example.com?",
            f"{user.email} is to be new@example.com",
        ]


class TestDeleteOwnAccount:
    async def test_ends_access_and_frees_the_names(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        response = await user_client.delete("users/me")
        assert response.status_code == 204
        assert response.content == b""

        assert (await user_client.get("users/me")).status_code == 401
        login = {"username": user.username, "password": PASSWORD}
        assert (await client.post("auth/token", data=login)).status_code == 401
        again = ADA | {"username": user.username, "email": user.email}
        assert (await client.post("users", json=again)).status_code == 201
