import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.security.settings import AuthSettings
from app.modules.user.models import User
from tests.fixtures.auth import ADA, PASSWORD, Witness

pytestmark = pytest.mark.anyio


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

    @pytest.mark.parametrize(
        "password",
        ["qwertyuiop12", "!!Password2024!!", "abcdefghijklm", "0987654321098", ADA["email"]],
    )
    async def test_refuses_a_password_that_is_tried_first(
        self, client: AsyncClient, password: str
    ) -> None:
        response = await client.post("users", json=ADA | {"password": password})

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:user.weak_password"
        assert password not in response.text

    @pytest.mark.parametrize("length", [12, 64, 128])
    async def test_takes_long_passwords_as_they_are(self, client: AsyncClient, length: int) -> None:
        password = "A sentence that nobody else has. " * 4
        password = password[:length].rstrip().ljust(length, "!")
        await client.post("users", json=ADA | {"password": password})

        whole = await client.post("auth/token", data={"username": "ada", "password": password})
        shorter = await client.post(
            "auth/token", data={"username": "ada", "password": password[:-1]}
        )

        assert (whole.status_code, shorter.status_code) == (200, 401)

    async def test_can_be_switched_off(
        self, client: AsyncClient, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(registration_enabled=False)

        response = await client.post("users", json=ADA)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.registration_closed"

    async def test_is_possible_only_so_often_from_one_address(
        self, client: AsyncClient, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(registrations_per_address=1)
        first = await client.post("users", json=ADA)
        second = await client.post(
            "users", json=ADA | {"username": "ada2", "email": "ada2@example.com"}
        )

        assert (first.status_code, second.status_code) == (201, 429)

    async def test_is_recorded(self, client: AsyncClient, witness: Witness) -> None:
        response = await client.post("users", json=ADA)

        (event,) = witness.events
        assert event.name == "account_registered"
        assert str(event.actor_id) == str(event.target_id) == response.json()["id"]
