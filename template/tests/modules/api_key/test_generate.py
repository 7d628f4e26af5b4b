import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import Keyring
from app.modules.api_key.crud import ApiKeyCRUD
from app.modules.api_key.models import ApiKey
from app.modules.api_key.schemas import ApiKeyCreate
from app.modules.api_key.service import ApiKeyService, KeyRules
from app.modules.api_key.settings import ApiKeySettings
from app.modules.throttle.service import Throttle
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.models import User
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .samples import age_in_days, events, in_days

pytestmark = pytest.mark.anyio

REPORT = {"name": "Report", "scopes": ["profile:read"]}


class TestGenerate:
    async def test_shows_the_key_and_where_it_is_described(self, user_client: AsyncClient) -> None:
        response = await user_client.post("api-keys", json=REPORT)

        assert response.status_code == 201, response.text
        body = response.json()
        assert response.headers["location"] == f"/api/v1/api-keys/{body['id']}"
        assert response.headers["cache-control"] == "no-store"
        assert body["key"].startswith(body["prefix"])
        assert body.keys() == {
            "id",
            "created_at",
            "updated_at",
            "name",
            "prefix",
            "scopes",
            "expires_at",
            "last_used_at",
            "last_used_address",
            "refused_at",
            "replaced_by_id",
            "is_expired",
            "key",
        }
        assert (body["name"], body["scopes"], body["is_expired"]) == (
            "Report",
            ["profile:read"],
            False,
        )

    async def test_stores_no_key(
        self, user_client: AsyncClient, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        key = (await generate(user_client))["key"]

        record = (await session.scalars(select(ApiKey))).one()
        keyring: Keyring = state["keyring"]
        assert record.key_hash == keyring.digests("api key", key)[0]
        assert record.prefix == key[:11]
        stored = [str(getattr(record, column.name)) for column in ApiKey.__table__.columns]
        assert all(key[11:] not in value for value in stored)

    async def test_stores_the_longest_key(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(prefix="a123456789")

        generated = await generate(user_client, name="x" * 100)

        assert len(generated["key"]) == 57
        assert generated["prefix"] == generated["key"][:19]

    async def test_is_an_event(self, user_client: AsyncClient, user: User) -> None:
        with capture_logs() as logs:
            generated = await generate(user_client, scopes=["profile:write", "profile:read"])

        (event,) = events(logs)
        assert event["name"] == "api_key_generated"
        assert event["target_id"] == event["actor_id"] == str(user.id)
        assert event["key_id"] == generated["id"]
        assert event["scopes"] == "profile:read profile:write"
        assert generated["key"] not in str(logs)

    async def test_names_each_scope_once(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client, scopes=["profile:read", "profile:read"])

        assert generated["scopes"] == ["profile:read"]

    async def test_needs_a_login(self, client: AsyncClient) -> None:
        assert (await client.post("api-keys", json=REPORT)).status_code == 401

    async def test_needs_a_recent_login(self, stale_client: AsyncClient) -> None:
        response = await stale_client.post("api-keys", json=REPORT)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_is_not_for_limited_tokens(
        self, client: AsyncClient, state: dict[str, Any], user: User
    ) -> None:
        await log_in(client, state, user, scopes=["profile:read"])

        response = await client.post("api-keys", json=REPORT)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.insufficient_scope"

    @pytest.mark.parametrize("scope", ["users:manage", "api_keys:manage", "nosuch:read"])
    async def test_gives_no_scope_that_the_user_does_not_hold(
        self, user_client: AsyncClient, scope: str
    ) -> None:
        response = await user_client.post(
            "api-keys", json={"name": "Report", "scopes": ["profile:read", scope]}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:api_key.scope_not_held"
        assert (await user_client.get("api-keys")).json()["total_count"] == 0

    async def test_gives_a_superuser_every_scope(self, superuser_client: AsyncClient) -> None:
        generated = await generate(superuser_client, scopes=["users:manage"])

        assert generated["scopes"] == ["users:manage"]

    async def test_without_an_expiry_gives_the_longest(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        assert 364.9 < age_in_days(generated["expires_at"]) <= 365

    async def test_takes_an_expiry_in_any_time_zone(self, user_client: AsyncClient) -> None:
        moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        local = (moment + timedelta(hours=5)).replace(tzinfo=None).isoformat() + "+05:00"

        generated = await generate(user_client, expires_at=local)

        assert datetime.fromisoformat(generated["expires_at"]) == moment

    @pytest.mark.parametrize("days", [-1, 0, 366])
    async def test_refuses_an_expiry_out_of_range(
        self, user_client: AsyncClient, days: float
    ) -> None:
        response = await user_client.post("api-keys", json=REPORT | {"expires_at": in_days(days)})

        assert response.status_code == 403
        problem = response.json()
        assert problem["type"] == "urn:problem:api_key.expiry_out_of_range"
        assert problem["detail"] == (
            "`expires_at` must be in the future and at most 365 days away."
        )

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
    async def test_refuses_the_ends_of_the_calendar(
        self, user_client: AsyncClient, moment: str
    ) -> None:
        response = await user_client.post("api-keys", json=REPORT | {"expires_at": moment})

        assert response.status_code == 403

    async def test_without_a_longest_life_needs_no_expiry(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(longest_ttl_days=0)

        forever = await generate(user_client)
        long = await generate(user_client, expires_at=in_days(10_000))
        past = await user_client.post("api-keys", json=REPORT | {"expires_at": in_days(-1)})

        assert (forever["expires_at"], forever["is_expired"]) == (None, False)
        assert age_in_days(long["expires_at"]) > 9999
        assert past.status_code == 403
        assert past.json()["detail"] == "`expires_at` must be in the future."

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", " x"),
            ("name", "a\nb"),
            ("name", "x" * 101),
            ("name", None),
            ("scopes", []),
            ("scopes", None),
            ("scopes", "profile:read"),
            ("scopes", ["profile:read"] * 101),
            ("expires_at", "2030-01-01T00:00:00"),
            ("expires_at", "2030-01-01"),
            ("expires_at", "1900000000"),
            ("expires_at", 1_900_000_000),
            ("user_id", "00000000-0000-0000-0000-000000000000"),
            ("key", "sk_mine"),
        ],
    )
    async def test_refuses_what_breaks_a_rule(
        self, user_client: AsyncClient, field: str, value: object
    ) -> None:
        response = await user_client.post("api-keys", json=REPORT | {field: value})

        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", field]]

    @pytest.mark.parametrize("scope", ["", "a b", 'a"b', "é", "x" * 101])
    async def test_refuses_what_no_scope_can_be(self, user_client: AsyncClient, scope: str) -> None:
        response = await user_client.post("api-keys", json=REPORT | {"scopes": [scope]})

        assert response.status_code == 422

    async def test_stops_at_the_limit(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(keys_per_user=2)
        first = await generate(user_client)
        await generate(user_client)

        refused = await user_client.post("api-keys", json=REPORT)
        await user_client.delete(f"api-keys/{first['id']}")
        again = await user_client.post("api-keys", json=REPORT)

        assert (refused.status_code, again.status_code) == (409, 201)
        assert refused.json()["type"] == "urn:problem:api_key.too_many"

    async def test_does_not_count_expired_and_rotated_ones(
        self, user_client: AsyncClient, session: AsyncSession, settings_of: Callable[..., None]
    ) -> None:
        settings_of(keys_per_user=1)
        generated = await generate(user_client)
        await user_client.post(f"api-keys/{generated['id']}/rotate", json={"overlap_seconds": 60})

        full = await user_client.post("api-keys", json=REPORT)
        for key in await session.scalars(select(ApiKey)):
            key.expires_at = datetime.now(UTC)
        await session.commit()
        free = await user_client.post("api-keys", json=REPORT)

        assert (full.status_code, free.status_code) == (409, 201)

    async def test_is_for_so_many_in_an_hour(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(generations_per_hour=2)
        generated = await generate(user_client)
        await user_client.delete(f"api-keys/{generated['id']}")
        generated = await generate(user_client)

        another = await user_client.post("api-keys", json=REPORT)
        rotated = await user_client.post(
            f"api-keys/{generated['id']}/rotate", json={"overlap_seconds": 0}
        )

        assert (another.status_code, rotated.status_code) == (429, 429)
        assert another.headers["retry-after"].isdecimal()

    async def test_lets_as_many_at_once_through_as_there_is_room_for(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        settings_of: Callable[..., None],
    ) -> None:
        settings_of(keys_per_user=3)
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            responses = await asyncio.gather(
                *(client.post("api-keys", json=REPORT) for _ in range(10))
            )

        assert Counter(response.status_code for response in responses) == {201: 3, 409: 7}

    async def test_is_not_for_an_account_that_was_closed_meanwhile(
        self, session: AsyncSession, state: dict[str, Any], user: User
    ) -> None:
        user.deleted_at = datetime.now(UTC)
        await session.flush()
        throttle = Throttle(state["database"], state["events"])
        rules = KeyRules(state["keyring"], throttle, ApiKeySettings())
        service = ApiKeyService(ApiKeyCRUD(session), user.id, state["events"], rules)

        with pytest.raises(NotAuthenticatedError):
            await service.generate(ApiKeyCreate(name="Report", scopes=["a"]), {"a"})
