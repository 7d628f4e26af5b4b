import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import Keyring
from app.modules.api_key.crud import ApiKeyCRUD
from app.modules.api_key.errors import ApiKeyNotFoundError
from app.modules.api_key.models import ApiKey
from app.modules.api_key.schemas import ApiKeyCreate
from app.modules.api_key.service import ApiKeyService, KeyRules
from app.modules.api_key.settings import ApiKeySettings
from app.modules.throttle.service import Throttle
from app.modules.user.authentication import Authentication
from app.modules.user.errors import NotAuthenticatedError
from app.modules.user.models import User
from app.modules.user.permissions import Policy
from tests.fixtures.api_key import generate
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

REPORT = {"name": "Report", "scopes": ["profile:read"]}


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def age_in_days(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)) / timedelta(days=1)


def events(logs: list[Any]) -> list[dict[str, Any]]:
    return [dict(entry) for entry in logs if entry["event"] == "security event"]


@pytest.fixture
async def settings_of(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Puts other settings in force: `settings_of(keys_per_user=2)`."""
    return lambda **values: monkeypatch.setitem(state, "api_key_settings", ApiKeySettings(**values))


@pytest.fixture
async def stale_client(
    app: FastAPI, state: dict[str, Any], user: User
) -> AsyncGenerator[AsyncClient]:
    """Logged in as `user` so long ago that the login counts as recent no more."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, user, age=timedelta(hours=1))


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


class TestList:
    async def test_has_your_own_newest_first(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        for name in "abc":
            await generate(user_client, name=name)
        await generate(superuser_client, name="not mine")

        response = await user_client.get("api-keys", params={"items_per_page": 2})

        assert response.status_code == 200
        body = response.json()
        assert [item["name"] for item in body["data"]] == ["c", "b"]
        assert (body["total_count"], body["has_more"]) == (3, True)

    async def test_never_shows_a_key(self, user_client: AsyncClient, session: AsyncSession) -> None:
        generated = await generate(user_client)

        listed = await user_client.get("api-keys")
        read = await user_client.get(f"api-keys/{generated['id']}")

        record = (await session.scalars(select(ApiKey))).one()
        for text in (listed.text, read.text):
            assert generated["key"] not in text
            assert record.key_hash not in text
        assert listed.json()["data"] == [read.json()]
        assert read.json() == {name: generated[name] for name in generated if name != "key"}

    async def test_shows_expired_ones(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await generate(user_client)
        (await session.scalars(select(ApiKey))).one().expires_at = datetime.now(UTC)
        await session.commit()

        (listed,) = (await user_client.get("api-keys")).json()["data"]

        assert listed["is_expired"] is True

    async def test_refuses_keys(self, user_client: AsyncClient, client: AsyncClient) -> None:
        """A stolen one must not tell which others there are."""
        key = (await generate(user_client))["key"]

        response = await client.get("api-keys", headers={"X-API-Key": key})

        assert response.status_code == 403


class TestOthersKeys:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "", None),
            ("PATCH", "", {"name": "Mine"}),
            ("DELETE", "", None),
            ("POST", "/rotate", {"overlap_seconds": 0}),
            ("GET", "/usage", None),
            ("GET", "/usage/daily", None),
        ],
    )
    async def test_do_not_exist(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        method: str,
        path: str,
        body: dict[str, object] | None,
    ) -> None:
        key_id = (await generate(superuser_client))["id"]

        foreign = await user_client.request(method, f"api-keys/{key_id}{path}", json=body)
        unknown = await user_client.request(method, f"api-keys/{uuid4()}{path}", json=body)

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.json()["type"] == unknown.json()["type"] == "urn:problem:api_key.not_found"
        assert (await superuser_client.get(f"api-keys/{key_id}")).status_code == 200


class TestRename:
    async def test_changes_the_name_alone(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json={"name": "Import"})

        assert response.status_code == 200
        body = response.json()
        assert body["name"] == "Import"
        same = set(body) - {"name", "updated_at"}
        assert {name: body[name] for name in same} == {name: generated[name] for name in same}

    async def test_without_a_field_changes_nothing(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json={})

        assert (response.status_code, response.json()["name"]) == (200, "Report")

    @pytest.mark.parametrize(
        "body",
        [{"name": None}, {"name": ""}, {"scopes": ["profile:write"]}, {"expires_at": None}],
    )
    async def test_refuses_everything_else(
        self, user_client: AsyncClient, body: dict[str, object]
    ) -> None:
        generated = await generate(user_client)

        response = await user_client.patch(f"api-keys/{generated['id']}", json=body)

        assert response.status_code == 422


class TestRevoke:
    async def test_ends_the_key_at_once(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        generated = await generate(user_client)
        headers = {"X-API-Key": generated["key"]}
        assert (await client.get("users/me", headers=headers)).status_code == 200

        with capture_logs() as logs:
            response = await user_client.delete(f"api-keys/{generated['id']}")

        assert response.status_code == 204
        assert (await client.get("users/me", headers=headers)).status_code == 401
        assert (await user_client.get(f"api-keys/{generated['id']}")).status_code == 404
        assert (await user_client.get("api-keys")).json()["total_count"] == 0
        (event,) = events(logs)
        assert (event["name"], event["key_id"]) == ("api_key_revoked", generated["id"])
        assert event["target_id"] == str(user.id)

    async def test_happens_once(self, user_client: AsyncClient) -> None:
        generated = await generate(user_client)

        responses = [await user_client.delete(f"api-keys/{generated['id']}") for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 404]

    @pytest.mark.parametrize("path", ["api-keys/{id}", "api-keys"])
    async def test_needs_a_recent_login(
        self, user_client: AsyncClient, stale_client: AsyncClient, path: str
    ) -> None:
        generated = await generate(user_client)

        response = await stale_client.delete(path.format(id=generated["id"]))

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_of_all_ends_your_own(
        self, user_client: AsyncClient, superuser_client: AsyncClient
    ) -> None:
        for _ in range(2):
            await generate(user_client)
        await generate(superuser_client)

        with capture_logs() as logs:
            responses = [await user_client.delete("api-keys") for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 204]
        assert [event["name"] for event in events(logs)] == ["api_key_revoked"] * 2
        assert (await user_client.get("api-keys")).json()["total_count"] == 0
        assert (await superuser_client.get("api-keys")).json()["total_count"] == 1


class TestRotate:
    async def test_gives_a_new_key_that_may_do_the_same(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        old = await generate(user_client, expires_at=in_days(10))

        with capture_logs() as logs:
            response = await user_client.post(
                f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 3600}
            )

        assert response.status_code == 201, response.text
        new = response.json()
        assert response.headers["location"] == f"/api/v1/api-keys/{new['id']}"
        assert new["key"] != old["key"]
        assert (new["name"], new["scopes"]) == (old["name"], old["scopes"])
        assert 9.9 < age_in_days(new["expires_at"]) < 10.1
        for key in (old["key"], new["key"]):
            answer = await client.get("users/me", headers={"X-API-Key": key})
            assert answer.status_code == 200
        replaced = (await user_client.get(f"api-keys/{old['id']}")).json()
        assert replaced["replaced_by_id"] == new["id"]
        assert 0.04 < age_in_days(replaced["expires_at"]) < 0.042
        (event,) = events(logs)
        assert event["name"] == "api_key_rotated"
        assert event["target_id"] == str(user.id)
        assert (event["key_id"], event["new_key_id"]) == (old["id"], new["id"])
        assert event["overlap_seconds"] == 3600

    async def test_without_overlap_ends_the_old_one_at_once(
        self, user_client: AsyncClient, client: AsyncClient
    ) -> None:
        old = await generate(user_client)

        await user_client.post(f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 0})

        response = await client.get("users/me", headers={"X-API-Key": old["key"]})
        assert response.status_code == 401

    async def test_never_prolongs_the_old_one(self, user_client: AsyncClient) -> None:
        old = await generate(user_client, expires_at=in_days(0.01))

        await user_client.post(f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 604_800})

        replaced = (await user_client.get(f"api-keys/{old['id']}")).json()
        assert replaced["expires_at"] == old["expires_at"]

    async def test_keeps_within_the_longest_life_of_today(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(longest_ttl_days=0)
        old = await generate(user_client)
        unlimited = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 0}
        )
        settings_of(longest_ttl_days=7)

        response = await user_client.post(
            f"api-keys/{unlimited.json()['id']}/rotate", json={"overlap_seconds": 0}
        )

        assert unlimited.json()["expires_at"] is None
        assert 6.9 < age_in_days(response.json()["expires_at"]) <= 7

    async def test_happens_once(self, user_client: AsyncClient) -> None:
        old = await generate(user_client)
        path, body = f"api-keys/{old['id']}/rotate", {"overlap_seconds": 60}

        responses = [await user_client.post(path, json=body) for _ in range(2)]

        assert [response.status_code for response in responses] == [201, 409]
        assert responses[1].json()["type"] == "urn:problem:api_key.over"
        assert (await user_client.get("api-keys")).json()["total_count"] == 2

    async def test_does_not_revive_an_expired_one(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        old = await generate(user_client)
        (await session.scalars(select(ApiKey))).one().expires_at = datetime.now(UTC)
        await session.commit()

        response = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 409

    async def test_is_possible_at_the_limit(
        self, user_client: AsyncClient, settings_of: Callable[..., None]
    ) -> None:
        settings_of(keys_per_user=1)
        old = await generate(user_client)

        response = await user_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 201

    async def test_needs_a_recent_login(
        self, user_client: AsyncClient, stale_client: AsyncClient
    ) -> None:
        old = await generate(user_client)

        response = await stale_client.post(
            f"api-keys/{old['id']}/rotate", json={"overlap_seconds": 60}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    @pytest.mark.parametrize("body", [{}, {"overlap_seconds": -1}, {"overlap_seconds": 604_801}])
    async def test_refuses_what_breaks_a_rule(
        self, user_client: AsyncClient, body: dict[str, int]
    ) -> None:
        old = await generate(user_client)

        response = await user_client.post(f"api-keys/{old['id']}/rotate", json=body)

        assert response.status_code == 422

    async def test_lets_one_of_many_at_once_through(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        async with committed.write_sessions() as session:
            owner = await create_user(session)
        async with client_of(app, state) as client:
            await log_in(client, state, owner)
            path = f"api-keys/{(await generate(client))['id']}/rotate"
            responses = await asyncio.gather(
                *(client.post(path, json={"overlap_seconds": 60}) for _ in range(10))
            )
            listed = await client.get("api-keys")

        assert Counter(response.status_code for response in responses) == {201: 1, 409: 9}
        assert listed.json()["total_count"] == 2


class Managers(Policy):
    """Grants one permission to every account, all of one rank."""

    async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:  # noqa: ARG002
        return {"api_keys:manage"}

    async def rank(self, session: AsyncSession, user_id: UUID) -> int:  # noqa: ARG002
        return 1


class TestAdministration:
    async def test_lists_the_keys_of_an_account(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User
    ) -> None:
        generated = await generate(user_client)

        response = await superuser_client.get(f"users/{user.id}/api-keys")

        assert response.status_code == 200
        assert [item["id"] for item in response.json()["data"]] == [generated["id"]]
        assert generated["key"] not in response.text

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("DELETE", "/{key_id}"), ("POST", "/revoke")],
    )
    async def test_is_for_who_holds_the_permission(
        self,
        user_client: AsyncClient,
        superuser: User,
        client: AsyncClient,
        method: str,
        path: str,
    ) -> None:
        path = f"users/{superuser.id}/api-keys{path.format(key_id=uuid4())}"

        refused = await user_client.request(method, path)
        stranger = await client.request(method, path)

        assert (refused.status_code, stranger.status_code) == (403, 401)
        assert refused.json()["type"] == "urn:problem:auth.insufficient_scope"

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", ""), ("DELETE", "/{key_id}"), ("POST", "/revoke")],
    )
    async def test_knows_no_unknown_account(
        self, superuser_client: AsyncClient, method: str, path: str
    ) -> None:
        path = f"users/{uuid4()}/api-keys{path.format(key_id=uuid4())}"

        response = await superuser_client.request(method, path)

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:user.not_found"

    async def test_revokes_a_key(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        client: AsyncClient,
        user: User,
        superuser: User,
    ) -> None:
        generated = await generate(user_client)
        path = f"users/{user.id}/api-keys/{generated['id']}"

        with capture_logs() as logs:
            responses = [await superuser_client.delete(path) for _ in range(2)]

        assert [response.status_code for response in responses] == [204, 404]
        answer = await client.get("users/me", headers={"X-API-Key": generated["key"]})
        assert answer.status_code == 401
        event = events(logs)[0]
        assert event["name"] == "api_key_revoked"
        assert (event["actor_id"], event["target_id"]) == (str(superuser.id), str(user.id))

    async def test_revokes_only_keys_of_that_account(
        self, superuser_client: AsyncClient, session: AsyncSession
    ) -> None:
        generated, other = await generate(superuser_client), await create_user(session)

        response = await superuser_client.delete(f"users/{other.id}/api-keys/{generated['id']}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:api_key.not_found"

    async def test_revokes_all_keys_of_an_account(
        self, user_client: AsyncClient, superuser_client: AsyncClient, user: User
    ) -> None:
        for _ in range(2):
            await generate(user_client)

        response = await superuser_client.post(f"users/{user.id}/api-keys/revoke")

        assert response.status_code == 204
        assert (await user_client.get("api-keys")).json()["total_count"] == 0

    async def test_is_not_for_oneself(self, superuser_client: AsyncClient, superuser: User) -> None:
        """Nor for any other account that is not below."""
        generated = await generate(superuser_client)

        one = await superuser_client.delete(f"users/{superuser.id}/api-keys/{generated['id']}")
        all_ = await superuser_client.post(f"users/{superuser.id}/api-keys/revoke")

        assert (one.status_code, all_.status_code) == (403, 403)
        assert one.json()["type"] == all_.json()["type"] == "urn:problem:user.outranked"

    async def test_ends_at_ones_own_rank(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        superuser: User,
        session: AsyncSession,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        extensions = Extensions([*state["extensions"].of(object), Managers()])
        monkeypatch.setitem(state, "extensions", extensions)
        authentication = Authentication(extensions, recent_seconds=900)
        monkeypatch.setitem(state, "authentication", authentication)
        above, beside = await generate(superuser_client), await create_user(session)

        listed = await user_client.get(f"users/{superuser.id}/api-keys")
        revoked = await user_client.delete(f"users/{superuser.id}/api-keys/{above['id']}")
        all_revoked = await user_client.post(f"users/{beside.id}/api-keys/revoke")

        assert listed.status_code == 200
        assert (revoked.status_code, all_revoked.status_code) == (403, 403)
        assert revoked.json()["type"] == "urn:problem:user.outranked"

    async def test_can_be_done_with_a_key(
        self, superuser_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        key = (await generate(superuser_client, scopes=["api_keys:manage"]))["key"]

        response = await client.get(f"users/{user.id}/api-keys", headers={"X-API-Key": key})

        assert response.status_code == 200


class TestErrors:
    def test_tell_nothing_but_the_id(self) -> None:
        assert ApiKeyNotFoundError(UUID(int=1)).detail == (
            "There is no key with the id 00000000-0000-0000-0000-000000000001."
        )
