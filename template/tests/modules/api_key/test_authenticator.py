import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from app.modules.api_key.keys import new_key
from app.modules.api_key.models import ApiKey
from app.modules.api_key.usage import UsageLog
from app.modules.user.models import User
from tests.fixtures.api_key import generate
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.fixtures.statements import statements
from tests.support import client_of

pytestmark = pytest.mark.anyio

NEUTRAL = "Log in and send the access token as `Authorization: Bearer <token>`."


@pytest.fixture
async def key(user_client: AsyncClient) -> str:
    """One of `user` that may read the profile."""
    return str((await generate(user_client))["key"])


@pytest.fixture
async def key_client(app: FastAPI, state: dict[str, Any], key: str) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        client.headers["x-api-key"] = key
        yield client


async def the_key(session: AsyncSession) -> ApiKey:
    return (await session.scalars(select(ApiKey).execution_options(populate_existing=True))).one()


def names(logs: list[Any]) -> list[str]:
    return [entry["name"] for entry in logs if entry["event"] == "security event"]


class TestKey:
    async def test_opens_a_route_that_asks_for_its_scope(
        self, key_client: AsyncClient, user: User
    ) -> None:
        response = await key_client.get("users/me")

        assert response.status_code == 200
        assert response.json()["id"] == str(user.id)

    async def test_costs_one_query(self, key_client: AsyncClient) -> None:
        # What is asked once of each caller is asked by then.
        await key_client.get("users/me")

        with statements() as queries:
            response = await key_client.get("users/me")

        assert response.status_code == 200
        assert len(queries) == 1
        assert queries[0].startswith("SELECT user_account.")

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "users/me", {"name": "Eve"}),
            ("GET", "users", None),
        ],
    )
    async def test_opens_no_route_that_asks_for_another_scope(
        self,
        superuser_client: AsyncClient,
        client: AsyncClient,
        method: str,
        path: str,
        body: dict[str, str] | None,
    ) -> None:
        """However much its owner may do."""
        headers = {"X-API-Key": (await generate(superuser_client))["key"]}

        response = await client.request(method, path, json=body, headers=headers)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.insufficient_scope"

    @pytest.mark.parametrize(
        ("method", "path"),
        [("DELETE", "users/me"), ("GET", "users/me/export"), ("POST", "auth/logout")],
    )
    async def test_opens_no_route_that_asks_for_no_permission(
        self, key_client: AsyncClient, method: str, path: str
    ) -> None:
        response = await key_client.request(method, path)

        assert response.status_code == 403
        assert response.json()["detail"] == "This takes a full login, not a limited token or a key."

    async def test_does_not_outlive_a_permission_of_its_owner(
        self,
        superuser_client: AsyncClient,
        superuser: User,
        client: AsyncClient,
        session: AsyncSession,
    ) -> None:
        generated = await generate(superuser_client, scopes=["users:read"])
        headers = {"X-API-Key": generated["key"]}
        before = await client.get("users", headers=headers)
        superuser.is_superuser = False
        await session.commit()

        after = await client.get("users", headers=headers)

        assert (before.status_code, after.status_code) == (200, 403)

    async def test_may_be_one_of_several(
        self, user_client: AsyncClient, client: AsyncClient
    ) -> None:
        keys = [(await generate(user_client))["key"] for _ in range(3)]

        responses = [await client.get("users/me", headers={"X-API-Key": key}) for key in keys]

        assert [response.status_code for response in responses] == [200] * 3

    async def test_outlives_logins_and_the_password(
        self, key_client: AsyncClient, user_client: AsyncClient
    ) -> None:
        """Programs do not log in again; whoever suspects a theft revokes the keys."""
        changed = await user_client.post(
            "auth/change-password",
            json={"current_password": PASSWORD, "new_password": "another horse battery"},
        )
        ended = await user_client.post("auth/logout-everywhere")

        assert (changed.status_code, ended.status_code) == (204, 204)
        assert (await user_client.get("users/me")).status_code == 401
        assert (await key_client.get("users/me")).status_code == 200


class TestWrongKey:
    @pytest.mark.parametrize("wrong", ["", "sk_", "nonsense", "sk_" + "a" * 46, "sk_\xff"])
    async def test_gets_the_neutral_answer(self, client: AsyncClient, wrong: str) -> None:
        response = await client.get("users/me", headers={b"x-api-key": wrong.encode("latin-1")})

        assert response.status_code == 401
        assert response.json()["type"] == "urn:problem:auth.not_authenticated"
        assert response.json()["detail"] == NEUTRAL

    async def test_of_the_right_shape_gets_it_too(self, client: AsyncClient) -> None:
        response = await client.get("users/me", headers={"X-API-Key": new_key("sk")})

        assert response.status_code == 401
        assert response.json()["detail"] == NEUTRAL

    @pytest.mark.parametrize("field", ["expires_at", "revoked_at"])
    async def test_that_was_right_once_gets_it_too(
        self, key_client: AsyncClient, session: AsyncSession, field: str
    ) -> None:
        setattr(await the_key(session), field, datetime.now(UTC))
        await session.commit()

        response = await key_client.get("users/me")

        assert response.status_code == 401
        assert response.json()["detail"] == NEUTRAL

    @pytest.mark.parametrize(
        "change", [{"is_active": False}, {"deleted_at": datetime(2026, 1, 1, tzinfo=UTC)}]
    )
    async def test_of_a_closed_account_gets_it_too(
        self, key_client: AsyncClient, user: User, session: AsyncSession, change: dict[str, Any]
    ) -> None:
        for name, value in change.items():
            setattr(user, name, value)
        await session.commit()

        response = await key_client.get("users/me")

        assert response.status_code == 401
        assert response.json()["detail"] == NEUTRAL

    async def test_is_never_echoed(self, client: AsyncClient) -> None:
        key = new_key("sk")

        with capture_logs() as logs:
            response = await client.get("users/me", headers={"X-API-Key": key})

        assert key not in response.text + str(response.headers) + str(logs)

    async def test_is_not_saved_by_a_right_one_beside_it(
        self, client: AsyncClient, key: str
    ) -> None:
        for keys in ([key, new_key("sk")], [new_key("sk"), key], [key, key]):
            headers = [("x-api-key", it) for it in keys]
            assert (await client.get("users/me", headers=headers)).status_code == 401

    async def test_stays_out_of_the_query(self, client: AsyncClient, key: str) -> None:
        response = await client.get("users/me", params={"api_key": key, "X-API-Key": key})

        assert response.status_code == 401


class TestBesideAToken:
    async def test_a_wrong_key_is_refused(self, user_client: AsyncClient) -> None:
        for wrong in ("", "nonsense", new_key("sk")):
            response = await user_client.get("users/me", headers={"X-API-Key": wrong})
            assert response.status_code == 401

    @pytest.mark.parametrize("token", ["nonsense", "", "a.b.c"])
    async def test_a_wrong_token_is_refused(self, key_client: AsyncClient, token: str) -> None:
        response = await key_client.get("users/me", headers={"Authorization": f"Bearer {token}"})

        assert response.status_code == 401

    async def test_of_the_same_account_the_narrower_one_counts(
        self, user_client: AsyncClient, key: str
    ) -> None:
        headers = {"X-API-Key": key}

        read = await user_client.get("users/me", headers=headers)
        written = await user_client.patch("users/me", json={"name": "Eve"}, headers=headers)

        assert (read.status_code, written.status_code) == (200, 403)

    async def test_of_another_account_both_are_refused(
        self, superuser_client: AsyncClient, key: str
    ) -> None:
        response = await superuser_client.get("users/me", headers={"X-API-Key": key})

        assert response.status_code == 401


class TestRateLimits:
    async def test_are_not_dodged_by_made_up_keys(
        self, client: AsyncClient, user: User, key: str
    ) -> None:
        """Nor by a right one: what is counted is the account and the address."""
        keys = ["nonsense", key, *(new_key("sk") for _ in range(9))]
        data = {"username": user.username, "password": "wrong horse battery"}

        responses = [
            await client.post("auth/token", data=data, headers={"X-API-Key": it}) for it in keys
        ]

        assert [response.status_code for response in responses] == [401] * 10 + [429]


class TestEndedKey:
    @pytest.mark.parametrize(
        ("field", "reason"), [("expires_at", "expired"), ("revoked_at", "revoked")]
    )
    async def test_is_reported_once_a_minute(
        self,
        key_client: AsyncClient,
        session: AsyncSession,
        user: User,
        field: str,
        reason: str,
    ) -> None:
        setattr(await the_key(session), field, datetime.now(UTC))
        await session.commit()

        with capture_logs() as logs:
            for _ in range(3):
                await key_client.get("users/me")

        (warning,) = [entry for entry in logs if entry["event"] == "security event"]
        assert warning["name"] == "api_key_refused"
        assert warning["log_level"] == "warning"
        assert warning["reason"] == reason
        assert warning["target_id"] == str(user.id)
        record = await the_key(session)
        assert warning["key_id"] == str(record.id)

        assert record.refused_at is not None
        record.refused_at -= timedelta(minutes=1)
        await session.commit()
        with capture_logs() as logs:
            await key_client.get("users/me")
        assert names(logs) == ["api_key_refused"]

    async def test_is_no_use(
        self, key_client: AsyncClient, session: AsyncSession, usage: UsageLog
    ) -> None:
        record = await the_key(session)
        record.revoked_at = datetime.now(UTC)
        await session.commit()
        revoked = record.updated_at

        await key_client.get("users/me")
        await usage.flush()

        record = await the_key(session)
        assert record.last_used_at is None
        assert record.refused_at is not None
        assert record.updated_at == revoked

    async def test_is_reported_by_one_of_many_at_once(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        """In transactions of their own, beside those of the requests."""
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            generated = await generate(client, scopes=["profile:write"])
            await client.delete(f"api-keys/{generated['id']}")
        async with client_of(app, state) as client:
            client.headers["x-api-key"] = generated["key"]
            with capture_logs() as logs:
                responses = await asyncio.gather(
                    *(client.patch("users/me", json={"name": "Eve"}) for _ in range(10))
                )

        assert [response.status_code for response in responses] == [401] * 10
        assert names(logs) == ["api_key_refused"]


class TestSecretRotation:
    """SECRET_KEY has changed, and SECRET_PREVIOUS_KEYS has its former value."""

    OLD = SecretStr("the secret of before, long enough to be one")
    NEW = SecretStr("the secret of today, long enough to be one..")

    async def test_ends_no_key(
        self,
        user_client: AsyncClient,
        client: AsyncClient,
        session: AsyncSession,
        state: dict[str, Any],
        usage: UsageLog,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(state, "keyring", Keyring(SecretSettings(key=self.OLD)))
        headers = {"X-API-Key": (await generate(user_client))["key"]}
        before = (await the_key(session)).key_hash

        rotated = SecretSettings(key=self.NEW, previous_keys=(self.OLD,))
        monkeypatch.setitem(state, "keyring", Keyring(rotated))
        assert (await client.get("users/me", headers=headers)).status_code == 200
        await usage.flush()

        record = await the_key(session)
        assert record.key_hash != before
        assert record.updated_at == record.created_at
        # A key that was used meanwhile does without the former secret.
        monkeypatch.setitem(state, "keyring", Keyring(SecretSettings(key=self.NEW)))
        assert (await client.get("users/me", headers=headers)).status_code == 200

    async def test_without_the_former_secret_ends_all(
        self,
        key_client: AsyncClient,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setitem(state, "keyring", Keyring(SecretSettings(key=self.NEW)))

        assert (await key_client.get("users/me")).status_code == 401


class TestDescription:
    def test_says_which_routes_take_a_key(self, app: FastAPI) -> None:
        document = app.openapi()

        schemes = document["components"]["securitySchemes"]
        assert schemes["ApiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
        security = {
            f"{method.upper()} {path.removeprefix('/api/v1/')}": operation.get("security", [])
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }
        assert {"ApiKey": ["profile:read"]} in security["GET users/me"]
        for route in ("DELETE users/me", "POST api-keys"):
            assert {"OAuth2PasswordBearer": []} in security[route]
            assert [entry for entry in security[route] if "ApiKey" in entry] == []

    def test_lists_the_scopes(self, app: FastAPI) -> None:
        schema = app.openapi()["components"]["schemas"]["ApiKeyCreate"]

        scopes = schema["properties"]["scopes"]["items"]["enum"]
        assert scopes == sorted(scopes)
        assert {"profile:read", "users:manage", "api_keys:manage"} <= set(scopes)
