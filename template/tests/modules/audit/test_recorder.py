"""Every event becomes a row, in the transaction of what happened."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.errors import ConflictError
from app.infrastructure.database.database import Database
from app.infrastructure.security.settings import AuthSettings
from app.modules.audit.models import AuditEvent
from app.modules.auth.models import RefreshToken
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.support import client_of

from .samples import stored

pytestmark = pytest.mark.anyio

AGENT = "Kettle/1.0"
REQUEST_ID = "request-0001"
HEADERS = {"user-agent": AGENT, "x-request-id": REQUEST_ID}
NEW_PASSWORD = "another long password"


@pytest.fixture
def strict(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> AuthSettings:
    """Few attempts are many here."""
    settings = AuthSettings(failures_per_account=2, failures_per_address=4, sessions_per_user=1)
    monkeypatch.setitem(state, "auth_settings", settings)
    return settings


@pytest.fixture
async def visitor(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    """Nobody in particular, who says with what they come."""
    async with client_of(app, state) as client:
        client.headers.update(HEADERS)
        yield client


@pytest.fixture
async def member(visitor: AsyncClient, state: dict[str, Any], user: User) -> AsyncClient:
    """The same, logged in as `user`."""
    return await log_in(visitor, state, user)


async def enter(client: AsyncClient, user: User, password: str = PASSWORD) -> dict[str, str]:
    response = await client.post(
        "auth/token", data={"username": user.username, "password": password}
    )
    body: dict[str, str] = response.json()
    return body


async def the_one(session: AsyncSession, name: str) -> AuditEvent:
    (event,) = await stored(session, name)
    return event


def seen(event: AuditEvent) -> tuple[bool, UUID | None, UUID | None]:
    """What differs; that it says from where it came is the same for all."""
    assert (event.address, event.user_agent) == ("127.0.0.1", AGENT)
    assert event.request_id == REQUEST_ID
    assert abs(datetime.now(UTC) - event.at) < timedelta(minutes=1)
    return event.is_warning, event.actor_id, event.target_id


class TestEvents:
    async def test_login_success(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await enter(visitor, user)

        event = await the_one(session, "login_success")
        assert seen(event) == (False, user.id, user.id)
        assert event.details == {"kind": "token", "methods": "pwd"}

    async def test_login_failure(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await enter(visitor, user, "not the password")

        event = await the_one(session, "login_failure")
        assert seen(event) == (True, None, user.id)
        assert event.details == {"methods": "pwd"}

    async def test_login_failure_of_nobody(
        self, visitor: AsyncClient, session: AsyncSession
    ) -> None:
        login = {"username": "no\u2028body", "password": "whatever that is"}
        assert (await visitor.post("auth/token", data=login)).status_code == 401

        event = await the_one(session, "login_failure")
        assert seen(event) == (True, None, None)
        assert event.details == {"methods": "pwd"}

    async def test_login_with_a_scope_that_is_not_held(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        login = {"username": user.username, "password": PASSWORD, "scope": "audit:read"}
        assert (await visitor.post("auth/token", data=login)).status_code == 403

        event = await the_one(session, "unauthorized_access")
        assert seen(event) == (True, user.id, user.id)
        assert event.details == {"reason": "scope not held"}
        assert await stored(session, "login_success") == []

    async def test_logout(self, member: AsyncClient, user: User, session: AsyncSession) -> None:
        assert (await member.post("auth/logout")).status_code == 204

        assert seen(await the_one(session, "logout")) == (False, user.id, user.id)

    async def test_token_refresh(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        tokens = await enter(visitor, user)
        body = {"refresh_token": tokens["refresh_token"]}
        assert (await visitor.post("auth/refresh", json=body)).status_code == 200

        assert seen(await the_one(session, "token_refresh")) == (False, user.id, user.id)

    async def test_token_reuse_detected(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        tokens = await enter(visitor, user)
        body = {"refresh_token": tokens["refresh_token"]}
        await visitor.post("auth/refresh", json=body)
        long_ago = datetime.now(UTC) - timedelta(minutes=1)
        await session.execute(
            update(RefreshToken).where(RefreshToken.used_at.is_not(None)).values(used_at=long_ago)
        )
        await session.commit()
        assert (await visitor.post("auth/refresh", json=body)).status_code == 401

        assert seen(await the_one(session, "token_reuse_detected")) == (True, None, user.id)

    async def test_token_revoked(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        assert (await member.post("auth/logout-everywhere")).status_code == 204

        event = await the_one(session, "token_revoked")
        assert seen(event) == (False, user.id, user.id)
        assert event.details == {"sessions": 1}

    @pytest.mark.usefixtures("strict")
    async def test_token_revoked_by_one_login_too_many(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await enter(visitor, user)
        await enter(visitor, user)

        event = await the_one(session, "token_revoked")
        assert seen(event) == (False, user.id, user.id)
        assert event.details == {"sessions": 1}

    async def test_password_changed(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await member.post("auth/change-password", json=body)).status_code == 204

        assert seen(await the_one(session, "password_changed")) == (False, user.id, user.id)

    async def test_password_refused(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        body = {"current_password": "not the password"}
        assert (await member.post("auth/confirm", json=body)).status_code == 403

        assert seen(await the_one(session, "password_refused")) == (True, user.id, user.id)

    async def test_login_confirmed(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        body = {"current_password": PASSWORD}
        assert (await member.post("auth/confirm", json=body)).status_code == 204

        event = await the_one(session, "login_confirmed")
        assert seen(event) == (False, user.id, user.id)
        assert event.details == {"methods": "pwd"}

    @pytest.mark.usefixtures("strict")
    async def test_account_locked(
        self, visitor: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        for _ in range(4):
            await enter(visitor, user, "not the password")

        event = await the_one(session, "account_locked")
        assert seen(event) == (True, None, user.id)
        assert event.details == {"limit": "login-account"}

    @pytest.mark.usefixtures("strict")
    async def test_rate_limit_exceeded(self, visitor: AsyncClient, session: AsyncSession) -> None:
        for number in range(6):
            login = {"username": f"nobody{number}", "password": "whatever that is"}
            await visitor.post("auth/token", data=login)

        event = await the_one(session, "rate_limit_exceeded")
        assert seen(event) == (True, None, None)
        assert event.details == {"limit": "login-address"}

    async def test_account_deactivated(
        self,
        visitor: AsyncClient,
        state: dict[str, Any],
        user: User,
        superuser: User,
        session: AsyncSession,
    ) -> None:
        await log_in(visitor, state, superuser)
        assert (await visitor.post(f"users/{user.id}/deactivate")).status_code == 200

        event = await the_one(session, "account_deactivated")
        assert seen(event) == (False, superuser.id, user.id)

    async def test_unauthorized_access(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        assert (await member.get("users")).status_code == 403

        event = await the_one(session, "unauthorized_access")
        assert seen(event) == (True, user.id, user.id)
        assert event.details == {
            "credential": "OAuth2PasswordBearer",
            "method": "GET",
            "path": "/api/v1/users",
            "required": "users:read",
        }

    @pytest.mark.parametrize(
        ("path", "missing"), [("users", "users:read"), ("users/me/export", "")]
    )
    async def test_unauthorized_access_of_a_limited_login(
        self,
        visitor: AsyncClient,
        state: dict[str, Any],
        superuser: User,
        session: AsyncSession,
        path: str,
        missing: str,
    ) -> None:
        await log_in(visitor, state, superuser, scopes=["profile:read"])
        assert (await visitor.get(path)).status_code == 403

        event = await the_one(session, "unauthorized_access")
        assert seen(event) == (True, superuser.id, superuser.id)
        assert event.details["required"] == missing

    async def test_unauthorized_access_to_who_is_not_below(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
    ) -> None:
        """With real commits: the event must not wait for the lock of the request it is about."""
        async with committed.write_sessions() as session:
            superuser = await create_user(session, is_superuser=True)
        async with client_of(app, state) as client:
            client.headers.update(HEADERS)
            await log_in(client, state, superuser)
            response = await client.post(f"users/{superuser.id}/deactivate")
        assert response.status_code == 403

        async with committed.reading() as session:
            event = await the_one(session, "unauthorized_access")
        assert seen(event) == (True, superuser.id, superuser.id)
        assert event.details == {"reason": "outranked"}

    async def test_personal_data_exported(
        self, member: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        assert (await member.get("users/me/export")).status_code == 200

        assert seen(await the_one(session, "personal_data_exported")) == (False, user.id, user.id)

    async def test_any_other_name(self, state: dict[str, Any], session: AsyncSession) -> None:
        actor_id, target_id = uuid4(), uuid4()
        async with state["database"].transaction() as transaction:
            await state["events"].record(
                transaction,
                "kettle_boiled",
                target_id,
                actor_id=actor_id,
                litres=2,
                is_full=True,
                lid="glass",
            )

        event = await the_one(session, "kettle_boiled")
        assert (event.actor_id, event.target_id) == (actor_id, target_id)
        assert event.details == {"litres": 2, "is_full": True, "lid": "glass"}
        # In a command there is nobody, nowhere.
        assert (event.address, event.user_agent, event.request_id) == (None, None, None)


class TestOrigin:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            (b"one\ttwo", "onetwo"),
            (b"caf\xe9\x85\x9b1m", "caf\xe91m"),
            (b"x" * 300, "x" * 255),
        ],
    )
    async def test_keeps_what_is_printable_of_a_user_agent(
        self,
        visitor: AsyncClient,
        session: AsyncSession,
        user: User,
        sent: bytes,
        kept: str,
    ) -> None:
        visitor.headers.update([(b"user-agent", sent)])

        await enter(visitor, user)

        assert (await the_one(session, "login_success")).user_agent == kept

    @pytest.mark.parametrize(
        ("client", "kept"),
        [
            (("2001:db8::1", 1), "2001:db8::1"),
            # What a proxy passes on that trusts its clients.
            (("1.2.3.4\n[info] login_success\x1b[31m\x00", 1), "1.2.3.4[info] login_success[31m"),
            (("x" * 50, 1), "x" * 45),
            (None, None),
        ],
    )
    async def test_keeps_what_is_printable_of_an_address(
        self,
        app: FastAPI,
        state: dict[str, Any],
        session: AsyncSession,
        user: User,
        client: tuple[str, int] | None,
        kept: str | None,
    ) -> None:
        async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
            scope["client"] = client
            await app(scope, receive, send)

        async with client_of(behind_a_proxy, state) as visitor:
            await enter(visitor, user)

        assert (await the_one(session, "login_success")).address == kept


async def boil(database: Database, state: dict[str, Any], **details: Any) -> None:  # noqa: ANN401
    """Do something that is recorded: register an account."""
    async with database.transaction() as session:
        number = details.get("number", 0)
        values = {"username": f"user{number}", "email": f"user{number}@example.com"}
        session.add(User(name="User", **values))
        await session.flush()
        await state["events"].record(session, "kettle_boiled", None, **details)
        if "fails" in details:
            raise KettleError("It is broken.")


class KettleError(ConflictError):
    code = "kettle.broken"
    title = "Kettle broken"


async def accounts(database: Database) -> int:
    async with database.reading() as session:
        return len(list(await session.scalars(select(User))))


class TestTransaction:
    async def test_what_is_undone_is_not_recorded(
        self, state: dict[str, Any], committed: Database
    ) -> None:
        with capture_logs() as lines, pytest.raises(KettleError):
            await boil(committed, state, fails=True)

        async with committed.reading() as session:
            assert await stored(session, "kettle_boiled") == []
        assert await accounts(committed) == 0
        assert lines == []

    async def test_what_cannot_be_recorded_is_undone(
        self, state: dict[str, Any], committed: Database
    ) -> None:
        with pytest.raises(StatementError, match="not JSON serializable"):
            await boil(committed, state, lid=object())

        assert await accounts(committed) == 0

    async def test_many_at_once_are_all_there(
        self, state: dict[str, Any], committed: Database
    ) -> None:
        await asyncio.gather(*(boil(committed, state, number=number) for number in range(20)))

        async with committed.reading() as session:
            events = await stored(session, "kettle_boiled")
        assert sorted(event.details["number"] for event in events) == list(range(20))
