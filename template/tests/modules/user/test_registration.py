import asyncio
from collections import Counter

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import ADA, PASSWORD

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
