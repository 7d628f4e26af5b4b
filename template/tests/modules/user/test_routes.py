import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user

pytestmark = pytest.mark.anyio

ADA = {
    "name": "Ada Lovelace",
    "username": "ada",
    "email": "ada@example.com",
    "password": PASSWORD,
}


class TestRegisterUser:
    async def test_answers_the_account_without_the_password(self, client: AsyncClient) -> None:
        response = await client.post("users", json=ADA)

        assert response.status_code == 201, response.text
        body = response.json()
        assert body["email"] == "ada@example.com"
        assert body["email_verified"] is False
        assert body["is_superuser"] is False
        assert body["created_at"].endswith("Z")
        assert body.keys().isdisjoint({"password", "hashed_password"})

    async def test_stores_a_hash(self, client: AsyncClient, session: AsyncSession) -> None:
        await client.post("users", json=ADA)

        stored = await session.scalar(select(User.hashed_password))
        assert stored is not None
        assert stored.startswith("$argon2id$")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"username": "other"}, "user.email_taken"),
            ({"username": "other", "email": "ADA@Example.COM"}, "user.email_taken"),
            ({"email": "other@example.com"}, "user.username_taken"),
        ],
    )
    async def test_refuses_what_is_taken(
        self, client: AsyncClient, changes: dict[str, str], code: str
    ) -> None:
        await client.post("users", json=ADA)

        response = await client.post("users", json=ADA | changes)

        assert response.status_code == 409
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == f"urn:problem:{code}"

    @pytest.mark.parametrize(
        "field",
        [
            "google_id",
            "github_id",
            "oauth_provider",
            "hashed_password",
            "is_superuser",
            "email_verified",
            "id",
            "created_at",
        ],
    )
    async def test_refuses_fields_that_are_not_the_clients(
        self, client: AsyncClient, field: str
    ) -> None:
        response = await client.post("users", json=ADA | {field: "x"})

        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("password", "too short"),
            ("password", "x" * 129),
            ("name", "A"),
            ("name", " Ada"),
            ("name", "A\x00B"),
            ("name", "x" * 31),
            ("username", "x"),
            ("username", "me"),
            ("username", "12345"),
            ("username", "Ada"),
            ("username", "a-b"),
            ("email", "Ada <ada@example.com>"),
            ("email", "ada"),
            ("email", "a" * 250 + "@example.com"),
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, client: AsyncClient, field: str, value: str
    ) -> None:
        response = await client.post("users", json=ADA | {field: value})

        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]
        assert PASSWORD not in response.text

    async def test_keeps_the_spaces_of_a_password(self, client: AsyncClient) -> None:
        password = "  with spaces around  "
        await client.post("users", json=ADA | {"password": password})

        right = await client.post("auth/token", data={"username": "ada", "password": password})
        stripped = await client.post(
            "auth/token", data={"username": "ada", "password": password.strip()}
        )

        assert (right.status_code, stripped.status_code) == (200, 401)

    async def test_lets_one_of_many_at_once_through(
        self,
        client: AsyncClient,
        committed: Database,  # noqa: ARG002 (connections of their own)
    ) -> None:
        bodies = [ADA | {"username": f"ada{number}"} for number in range(20)]

        responses = await asyncio.gather(*(client.post("users", json=body) for body in bodies))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {201: 1, 409: 19}


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

    async def test_a_new_email_is_not_verified(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.email_verified = True
        await session.commit()

        response = await user_client.patch(
            "users/me", json={"email": "New@Example.com", "current_password": PASSWORD}
        )

        assert response.status_code == 200, response.text
        assert response.json()["email"] == "new@example.com"
        assert response.json()["email_verified"] is False

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


class TestListUsers:
    async def test_is_for_superusers(self, user_client: AsyncClient, client: AsyncClient) -> None:
        refused = await user_client.get("users")

        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:auth.superuser_required"
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
        assert (await superuser_client.delete(f"users/{user_id}")).status_code == 404

    async def test_is_for_superusers(self, user_client: AsyncClient, user: User) -> None:
        assert (await user_client.delete(f"users/{user.id}")).status_code == 403
