import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import purge
from app.infrastructure.database.settings import DatabaseSettings
from app.modules.auth.models import LoginSession
from app.modules.cookie_session.models import CookieSession
from app.modules.cookie_session.service import CookieSessions
from app.modules.cookie_session.settings import SessionSettings
from app.modules.user.models import User
from tests.fixtures.auth import create_user
from tests.fixtures.statements import statements
from tests.support import client_of

from .browser import CLEARED, COOKIE, log_in, token_of, with_cookie

pytestmark = pytest.mark.anyio

WEEK = timedelta(days=7)


async def the_cookie(session: AsyncSession) -> CookieSession:
    statement = select(CookieSession).execution_options(populate_existing=True)
    return (await session.scalars(statement)).one()


async def age(session: AsyncSession, by: timedelta) -> None:
    """As if the last request had been so long ago."""
    now = datetime.now(UTC)
    values = {"last_seen_at": now - by, "idle_expires_at": now - by + WEEK}
    await session.execute(update(CookieSession).values(values))
    await session.execute(update(LoginSession).values(last_used_at=now - by))
    await session.commit()


async def end(session: AsyncSession, **values: datetime) -> None:
    await session.execute(update(LoginSession).values(values))
    await session.commit()


class TestIdle:
    async def test_session_is_over(self, own_browser: AsyncClient, session: AsyncSession) -> None:
        await age(session, WEEK)

        response = await own_browser.get("users/me")

        assert response.status_code == 401
        assert response.headers.get_list("set-cookie") == [CLEARED]

    async def test_session_stays_over(
        self, app: FastAPI, state: dict[str, Any], own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, WEEK)

        async with with_cookie(app, state, token_of(own_browser)) as client:
            statuses = [(await client.get("users/me")).status_code for _ in range(2)]

        assert statuses == [401, 401]

    async def test_session_lasts_a_week(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, WEEK - timedelta(minutes=1))

        assert (await own_browser.get("users/me")).status_code == 200

    async def test_end_is_put_off_by_use(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, timedelta(seconds=61))
        before = datetime.now(UTC)

        await own_browser.get("users/me")

        cookie = await the_cookie(session)
        assert cookie.last_seen_at >= before
        assert cookie.idle_expires_at == cookie.last_seen_at + WEEK
        (login,) = (await own_browser.get("auth/sessions")).json()
        assert datetime.fromisoformat(login["last_used_at"]) == cookie.last_seen_at

    async def test_end_is_put_off_once_a_minute(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, timedelta(seconds=55))
        before = await the_cookie(session)
        times = (before.last_seen_at, before.idle_expires_at)

        await own_browser.get("users/me")

        after = await the_cookie(session)
        assert (after.last_seen_at, after.idle_expires_at) == times

    async def test_end_is_not_put_off_by_a_forged_request(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, timedelta(hours=1))
        before = (await the_cookie(session)).last_seen_at

        response = await own_browser.post("auth/logout", headers={"x-csrf-token": "wrong"})

        assert response.status_code == 403
        assert (await the_cookie(session)).last_seen_at == before

    async def test_end_is_put_off_by_a_request_that_is_refused_later(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await age(session, timedelta(hours=1))
        before = (await the_cookie(session)).last_seen_at

        assert (await own_browser.get("users")).status_code == 403
        assert (await the_cookie(session)).last_seen_at > before

    async def test_end_is_put_off_by_one_of_many_at_once(
        self, app: FastAPI, state: dict[str, Any], committed: Database, password_hash: str
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
            async with client_of(app, state, base_url="https://test") as browser:
                await log_in(browser, user)
                await age(session, timedelta(hours=1))
                with statements() as sent:
                    requests = (
                        browser.patch("users/me", json={"name": f"Ada {number}"})
                        for number in range(10)
                    )
                    responses = await asyncio.gather(*requests)

        assert Counter(it.status_code for it in responses) == {200: 10}
        assert len([it for it in sent if it.startswith("UPDATE login_session")]) == 1

    async def test_end_that_cannot_be_put_off_refuses_nobody(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        database_settings: DatabaseSettings,
        password_hash: str,
        tmp_path: Path,
    ) -> None:
        """The replica answers, the primary does not."""
        broken = Database(
            DatabaseSettings(
                url=SecretStr(f"sqlite:///{tmp_path}/missing/test.db"),
                read_url=database_settings.url,
            )
        )
        sessions = CookieSessions(
            broken, state["events"], state["auth_settings"], SessionSettings()
        )
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
            async with client_of(app, state, base_url="https://test") as browser:
                await log_in(browser, user)
                await age(session, timedelta(hours=1))
                token = token_of(browser)
            async with with_cookie(app, state | {"cookie_sessions": sessions}, token) as client:
                with capture_logs() as lines:
                    response = await client.get("users/me")
        await broken.aclose()

        assert response.status_code == 200
        assert [it["event"] for it in lines if it["log_level"] == "error"] == [
            "the use of a session was not noted"
        ]


class TestEnd:
    @pytest.mark.parametrize("column", ["expires_at", "revoked_at"])
    async def test_comes_however_active(
        self, own_browser: AsyncClient, session: AsyncSession, column: str
    ) -> None:
        assert (await own_browser.get("users/me")).status_code == 200
        await end(session, **{column: datetime.now(UTC)})

        response = await own_browser.get("users/me")

        assert response.status_code == 401
        assert response.headers.get_list("set-cookie") == [CLEARED]
        assert COOKIE not in own_browser.cookies

    async def test_is_that_of_the_login(
        self, browser: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        body = await log_in(browser, user)

        (login,) = await session.scalars(select(LoginSession))
        assert datetime.fromisoformat(body["expires_at"]) == login.expires_at
        assert login.expires_at - login.created_at <= timedelta(days=30, seconds=1)

    async def test_does_not_come_with_use(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        (login,) = await session.scalars(select(LoginSession))
        before = login.expires_at
        await age(session, timedelta(days=6))

        response = await own_browser.get("session")

        assert datetime.fromisoformat(response.json()["expires_at"]) == before
        assert "set-cookie" not in response.headers


class TestDeadCookie:
    """Only one that is known and over is cleared: see `DeadCookieMiddleware`."""

    async def test_is_not_an_unknown_one(self, app: FastAPI, state: dict[str, Any]) -> None:
        async with with_cookie(app, state, "unknown") as client:
            response = await client.get("users/me")

        assert response.status_code == 401
        assert "set-cookie" not in response.headers

    async def test_is_not_that_of_a_closed_account(
        self, own_browser: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.is_active = False
        await session.commit()

        response = await own_browser.get("users/me")

        assert response.status_code == 401
        assert "set-cookie" not in response.headers

    async def test_does_not_keep_the_browser_from_logging_in(
        self, own_browser: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await age(session, WEEK)

        await log_in(own_browser, user)

        assert (await own_browser.get("users/me")).status_code == 200

    async def test_does_not_hinder_another_credential(
        self, own_browser: AsyncClient, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        await session.execute(update(CookieSession).values(idle_expires_at=datetime.now(UTC)))
        await session.commit()
        headers = {"authorization": user_client.headers["authorization"]}

        assert (await own_browser.get("users/me", headers=headers)).status_code == 200


class TestPurge:
    async def test_deletes_idle_logins(
        self,
        own_browser: AsyncClient,
        state: dict[str, Any],
        session: AsyncSession,
        user_client: AsyncClient,
    ) -> None:
        await age(session, WEEK)

        counts = await purge(state["database"], state["extensions"])

        assert counts["idle_cookie_sessions"] == 1
        assert (await session.scalars(select(CookieSession))).all() == []
        (login,) = (await user_client.get("auth/sessions")).json()
        assert login["kind"] == "token"
        assert (await own_browser.get("users/me")).status_code == 401

    async def test_leaves_the_others(self, own_browser: AsyncClient, state: dict[str, Any]) -> None:
        counts = await purge(state["database"], state["extensions"])

        assert counts["idle_cookie_sessions"] == 0
        assert (await own_browser.get("users/me")).status_code == 200

    @pytest.mark.usefixtures("own_browser")
    async def test_of_the_login_takes_the_cookie_with_it(
        self, state: dict[str, Any], session: AsyncSession
    ) -> None:
        await end(session, expires_at=datetime.now(UTC))

        counts = await purge(state["database"], state["extensions"])

        assert counts["login_sessions"] == 1
        assert (await session.scalars(select(CookieSession))).all() == []


class TestCost:
    async def test_of_a_read_is_one_query(
        self, app: FastAPI, state: dict[str, Any], committed: Database, password_hash: str
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
        async with client_of(app, state, base_url="https://test") as browser:
            await log_in(browser, user)
            # What is asked once of each caller is asked by then.
            await browser.get("users/me")
            with statements() as sent:
                response = await browser.get("users/me")

        assert response.status_code == 200
        assert len(sent) == 1
