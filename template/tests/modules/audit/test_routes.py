from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.support import client_of

from .samples import create_event, stored

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ADA, BOB = uuid4(), uuid4()
Params = Mapping[str, str | int | list[str]]


@pytest.fixture
async def auditor(superuser_client: AsyncClient) -> AsyncClient:
    return superuser_client


@pytest.fixture
async def limited(
    app: FastAPI, state: dict[str, Any], superuser: User
) -> AsyncGenerator[AsyncClient]:
    """A login for the audit log alone."""
    async with client_of(app, state) as client:
        yield await log_in(client, state, superuser, scopes=["audit:read"])


async def found(client: AsyncClient, params: Params) -> list[str]:
    """The names of what is found, without the traces of having looked before."""
    response = await client.get("audit/events", params=params)
    assert response.status_code == 200, response.text
    names = [item["name"] for item in response.json()["data"]]
    return [name for name in names if name != "audit_events_read"]


class TestListAuditEvents:
    async def test_shows_everything_about_an_event(
        self, auditor: AsyncClient, session: AsyncSession
    ) -> None:
        event = await create_event(
            session,
            at=NOON,
            actor_id=ADA,
            target_id=BOB,
            address="203.0.113.7",
            user_agent="Kettle/1.0",
            request_id="request-0001",
            details={"litres": 2, "is_full": True},
        )

        response = await auditor.get("audit/events")

        assert response.status_code == 200
        assert response.json() == {
            "data": [
                {
                    "id": str(event.id),
                    "at": "2026-01-31T12:00:00Z",
                    "name": "kettle_boiled",
                    "is_warning": False,
                    "actor_id": str(ADA),
                    "target_id": str(BOB),
                    "address": "203.0.113.7",
                    "user_agent": "Kettle/1.0",
                    "request_id": "request-0001",
                    "details": {"litres": 2, "is_full": True},
                }
            ],
            "next_cursor": None,
        }

    async def test_needs_the_permission(
        self, client: AsyncClient, user_client: AsyncClient, limited: AsyncClient
    ) -> None:
        refused = await user_client.get("audit/events")

        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:problem:auth.insufficient_scope"
        assert (await client.get("audit/events")).status_code == 401
        assert (await limited.get("audit/events")).status_code == 200

    async def test_goes_on_where_the_last_page_ended(
        self, auditor: AsyncClient, session: AsyncSession
    ) -> None:
        for number in range(5):
            await create_event(session, name=f"kettle_{number}", at=NOON + timedelta(hours=number))
        params: dict[str, str | int] = {"limit": 2, "until": "2026-02-01T12:00:00Z"}

        pages = []
        while True:
            body = (await auditor.get("audit/events", params=params)).json()
            pages.append([item["name"] for item in body["data"]])
            if body["next_cursor"] is None:
                break
            params["cursor"] = body["next_cursor"]

        assert pages == [["kettle_4", "kettle_3"], ["kettle_2", "kettle_1"], ["kettle_0"]]

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"name": "login_failure"}, ["login_failure"]),
            ({"name": ["login_failure", "logout"]}, ["logout", "login_failure"]),
            ({"name": "kettle_boiled"}, []),
            ({"actor_id": str(ADA)}, ["logout"]),
            ({"target_id": str(ADA)}, ["logout", "login_failure"]),
            ({"target_id": str(uuid4())}, []),
            ({"address": "203.0.113.7"}, ["login_failure"]),
            ({"address": "203.0.113"}, []),
            ({"request_id": "request-0001"}, ["login_failure"]),
            ({"is_warning": "true"}, ["login_failure"]),
            ({"is_warning": "false"}, ["account_closed", "logout"]),
            ({"since": "2026-01-31T12:00:00Z"}, ["account_closed", "logout"]),
            ({"since": "2026-01-31T13:00:00+01:00"}, ["account_closed", "logout"]),
            ({"since": "2026-01-31T12:00:00.000001Z"}, ["account_closed"]),
            ({"until": "2026-01-31T12:00:00Z"}, ["login_failure"]),
            ({"until": "2026-01-31T12:00:00.000001Z"}, ["logout", "login_failure"]),
            (
                {"since": "2026-01-31T12:00:00Z", "until": "2026-01-31T12:30:00Z"},
                ["logout"],
            ),
            ({"since": "2026-01-31T12:30:00Z", "until": "2026-01-31T12:00:00Z"}, []),
            ({"target_id": str(ADA), "is_warning": "false"}, ["logout"]),
            (
                {"since": "0001-01-01T00:00:00+23:59", "until": "9999-12-31T23:59:59-23:59"},
                ["account_closed", "logout", "login_failure"],
            ),
        ],
    )
    async def test_finds_what_meets_all_filters(
        self, auditor: AsyncClient, session: AsyncSession, params: Params, expected: list[str]
    ) -> None:
        await create_event(
            session,
            at=NOON - timedelta(minutes=1),
            name="login_failure",
            is_warning=True,
            target_id=ADA,
            address="203.0.113.7",
            request_id="request-0001",
        )
        await create_event(session, at=NOON, name="logout", actor_id=ADA, target_id=ADA)
        await create_event(
            session, at=NOON + timedelta(hours=1), name="account_closed", target_id=BOB
        )

        assert await found(auditor, params) == expected

    @pytest.mark.parametrize("distance", [-30, 30])
    async def test_finds_events_whose_clock_was_set(
        self, auditor: AsyncClient, session: AsyncSession, distance: int
    ) -> None:
        """An id is made after its event's time; a clock may be set in between."""
        made = await create_event(session, at=NOON + timedelta(seconds=distance))
        made.at = NOON
        await session.commit()

        params = {"since": "2026-01-31T12:00:00Z", "until": "2026-01-31T12:00:01Z"}
        assert await found(auditor, params) == ["kettle_boiled"]

    @pytest.mark.parametrize(
        "params",
        [
            {"name": "Login"},
            {"name": "a" * 61},
            {"name": ["a"] * 21},
            {"actor_id": "1"},
            {"address": "a\nb"},
            {"address": ""},
            {"request_id": "short"},
            {"request_id": "a\nbcdefgh"},
            {"is_warning": "perhaps"},
            {"since": "2026-01-31T12:00:00"},
            {"since": "2026-01-31"},
            {"since": "1700000000"},
            {"since": "2026-02-30T12:00:00Z"},
            {"since": "2026-01-31T12:00:00Z\n"},
            {"since": "\u0662026-01-31T12:00:00Z"},
            {"limit": 0},
            {"limit": 101},
            {"cursor": "x"},
            {"user_id": str(ADA)},
        ],
        ids=ascii,
    )
    async def test_refuses_what_breaks_a_rule(self, auditor: AsyncClient, params: Params) -> None:
        response = await auditor.get("audit/events", params=params)

        assert response.status_code == 422

    async def test_is_recorded_itself(
        self, auditor: AsyncClient, superuser: User, session: AsyncSession
    ) -> None:
        await auditor.get("audit/events")
        await auditor.get(
            "audit/events",
            params={"actor_id": str(ADA), "address": "203.0.113.7", "name": "logout"},
        )

        plain, filtered = await stored(session, "audit_events_read")
        assert (plain.actor_id, plain.target_id) == (superuser.id, None)
        assert plain.details == {"filters": "", "about": ""}
        assert filtered.details == {"filters": "actor_id address name", "about": str(ADA)}

    async def test_does_not_wait_for_itself(
        self, app: FastAPI, state: dict[str, Any], committed: Database
    ) -> None:
        """With real commits: what records the reading writes while the request goes on."""
        async with committed.write_sessions() as session:
            superuser = await create_user(session, is_superuser=True)
        async with client_of(app, state) as client:
            await log_in(client, state, superuser)
            first = await client.get("audit/events")
            second = await client.get("audit/events")

        assert first.json()["data"] == []
        assert [item["name"] for item in second.json()["data"]] == ["audit_events_read"]


class TestReadAuditEvent:
    async def test_answers_the_event_and_records_it(
        self, auditor: AsyncClient, session: AsyncSession
    ) -> None:
        event = await create_event(session, at=NOON, target_id=ADA)

        response = await auditor.get(f"audit/events/{event.id}")

        assert response.status_code == 200
        assert response.json()["id"] == str(event.id)
        assert response.json()["target_id"] == str(ADA)
        (reading,) = await stored(session, "audit_events_read")
        assert reading.details == {"filters": "id", "about": str(event.id)}

    @pytest.mark.parametrize("event_id", [str(UUID(int=0)), "x", "1"])
    async def test_unknown_ids_are_not_found(
        self, auditor: AsyncClient, session: AsyncSession, event_id: str
    ) -> None:
        response = await auditor.get(f"audit/events/{event_id}")

        assert response.status_code == 404
        assert await stored(session, "audit_events_read") == []

    async def test_says_that_old_ones_are_deleted(self, auditor: AsyncClient) -> None:
        response = await auditor.get(f"audit/events/{UUID(int=0)}")

        assert response.json()["type"] == "urn:problem:audit.event_not_found"

    async def test_needs_the_permission(
        self, client: AsyncClient, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        event = await create_event(session)

        assert (await user_client.get(f"audit/events/{event.id}")).status_code == 403
        assert (await client.get(f"audit/events/{event.id}")).status_code == 401

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    async def test_nothing_can_be_changed(
        self, auditor: AsyncClient, session: AsyncSession, method: str
    ) -> None:
        event = await create_event(session)

        for path in ("audit/events", f"audit/events/{event.id}"):
            assert (await auditor.request(method, path, json={})).status_code == 405


class TestListOwnSecurityEvents:
    async def test_shows_what_happened_to_the_account(
        self, user_client: AsyncClient, user: User, superuser: User, session: AsyncSession
    ) -> None:
        origin = {"address": "203.0.113.7", "user_agent": "Kettle/1.0"}
        about = {"target_id": user.id, **origin}
        await create_event(session, name="login_failure", is_warning=True, **about)
        await create_event(session, name="login_success", actor_id=user.id, **about)
        await create_event(session, name="account_unlocked", actor_id=superuser.id, **about)
        # These are somebody else's.
        await create_event(session, name="logout", target_id=superuser.id, actor_id=user.id)
        await create_event(session, name="kettle_boiled", actor_id=user.id, **origin)

        response = await user_client.get("users/me/security-events")

        assert response.status_code == 200
        seen = [
            (item["name"], item["is_warning"], item["is_by_you"], item["address"])
            for item in response.json()["data"]
        ]
        assert sorted(seen) == [
            ("account_unlocked", False, False, None),
            ("login_failure", True, False, None),
            ("login_success", False, True, "203.0.113.7"),
        ]

    async def test_tells_nothing_of_others(
        self, user_client: AsyncClient, user: User, superuser: User, session: AsyncSession
    ) -> None:
        event = await create_event(
            session,
            at=NOON,
            actor_id=superuser.id,
            target_id=user.id,
            address="203.0.113.7",
            user_agent="Kettle/1.0",
            request_id="request-0001",
        )

        response = await user_client.get("users/me/security-events")

        assert response.json() == {
            "data": [
                {
                    "id": str(event.id),
                    "at": "2026-01-31T12:00:00Z",
                    "name": "kettle_boiled",
                    "is_warning": False,
                    "is_by_you": False,
                    "address": None,
                    "user_agent": None,
                    "details": {},
                }
            ],
            "next_cursor": None,
        }

    async def test_goes_on_where_the_last_page_ended(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        for number in range(3):
            at = NOON + timedelta(hours=number)
            await create_event(session, name=f"kettle_{number}", at=at, target_id=user.id)

        first = (await user_client.get("users/me/security-events", params={"limit": 2})).json()
        rest = (
            await user_client.get(
                "users/me/security-events", params={"limit": 2, "cursor": first["next_cursor"]}
            )
        ).json()

        assert [item["name"] for item in first["data"]] == ["kettle_2", "kettle_1"]
        assert [item["name"] for item in rest["data"]] == ["kettle_0"]
        assert rest["next_cursor"] is None

    async def test_needs_a_full_login(self, client: AsyncClient, limited: AsyncClient) -> None:
        assert (await client.get("users/me/security-events")).status_code == 401
        assert (await limited.get("users/me/security-events")).status_code == 403

    async def test_is_not_recorded(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await create_event(session, target_id=user.id)

        await user_client.get("users/me/security-events")

        assert await stored(session, "audit_events_read") == []
