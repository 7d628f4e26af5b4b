import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.auth.models import LoginSession
from app.modules.cookie_session.models import CookieSession
from app.modules.cookie_session.service import CookieSessions
from tests.fixtures.auth import PASSWORD, create_user
from tests.support import client_of

from .browser import COOKIE, attributes_of, log_in, token_of, with_cookie

pytestmark = pytest.mark.anyio

PROOF = {"current_password": PASSWORD}
NEW = {"current_password": PASSWORD, "new_password": "another horse battery"}


async def make_old(session: AsyncSession) -> None:
    """As if the person had logged in an hour ago."""
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await session.execute(update(LoginSession).values(authenticated_at=an_hour_ago))
    await session.commit()


@pytest.mark.parametrize(("path", "body"), [("auth/confirm", PROOF), ("auth/change-password", NEW)])
class TestRenewal:
    """A thief who has the cookie must not share in the proof."""

    async def test_gives_the_browser_another_cookie(
        self, own_browser: AsyncClient, path: str, body: dict[str, str]
    ) -> None:
        before = token_of(own_browser)

        response = await own_browser.post(path, json=body)

        assert response.status_code == 204
        (header,) = response.headers.get_list("set-cookie")
        assert attributes_of(header) == "HttpOnly; Max-Age=2592000; Path=/; SameSite=lax; Secure"
        assert token_of(own_browser) != before
        assert (await own_browser.get("users/me")).status_code == 200

    async def test_ends_the_cookie_before_and_leaves_the_new_one(
        self,
        app: FastAPI,
        state: dict[str, Any],
        own_browser: AsyncClient,
        path: str,
        body: dict[str, str],
    ) -> None:
        before = token_of(own_browser)
        await own_browser.post(path, json=body)

        async with with_cookie(app, state, before) as thief:
            response = await thief.get("users/me")

        assert response.status_code == 401
        # The browser may have sent it before it had the new one, which it must not drop.
        assert "set-cookie" not in response.headers

    async def test_keeps_the_csrf_token_and_the_session(
        self, own_browser: AsyncClient, path: str, body: dict[str, str]
    ) -> None:
        before = (await own_browser.get("session")).json()

        await own_browser.post(path, json=body)

        assert (await own_browser.get("session")).json() == before
        response = await own_browser.patch("users/me", json={"name": "After"})
        assert response.status_code == 200

    async def test_takes_the_password(
        self, own_browser: AsyncClient, path: str, body: dict[str, str]
    ) -> None:
        before = token_of(own_browser)

        response = await own_browser.post(path, json=body | {"current_password": "wrong"})

        assert response.status_code == 403
        assert "set-cookie" not in response.headers
        assert token_of(own_browser) == before

    async def test_is_not_for_a_bearer_token_beside_the_cookie(
        self,
        own_browser: AsyncClient,
        user_client: AsyncClient,
        path: str,
        body: dict[str, str],
    ) -> None:
        headers = {"authorization": user_client.headers["authorization"]}

        response = await own_browser.post(path, json=body, headers=headers)

        assert response.status_code == 204
        assert "set-cookie" not in response.headers

    async def test_is_not_for_a_bearer_token_alone(
        self, user_client: AsyncClient, path: str, body: dict[str, str]
    ) -> None:
        response = await user_client.post(path, json=body)

        assert response.status_code == 204
        assert "set-cookie" not in response.headers


class TestConfirm:
    async def test_makes_the_login_recent(
        self, own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        await make_old(session)
        assert (await own_browser.delete("users/me")).status_code == 403

        await own_browser.post("auth/confirm", json=PROOF)

        assert (await own_browser.delete("users/me")).status_code == 204

    async def test_at_once_gives_one_cookie(
        self, app: FastAPI, state: dict[str, Any], committed: Database, password_hash: str
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
        async with client_of(app, state, base_url="https://test") as browser:
            await log_in(browser, user)
            token, csrf_token = token_of(browser), browser.headers["x-csrf-token"]
        async with with_cookie(app, state, token, csrf_token) as client:
            responses = await asyncio.gather(
                *(client.post("auth/confirm", json=PROOF) for _ in range(5))
            )
        cookies = [it.headers["set-cookie"] for it in responses if "set-cookie" in it.headers]

        assert len(cookies) == 1
        # Who came too late was told so, or confirmed a session whose cookie was new already.
        assert Counter(it.status_code for it in responses).keys() <= {204, 401}
        renewed = cookies[0].partition(";")[0].removeprefix(f"{COOKIE}=")
        async with with_cookie(app, state, renewed) as client:
            assert (await client.get("users/me")).status_code == 200

    async def test_gives_none_for_a_cookie_that_was_replaced_meanwhile(
        self, state: dict[str, Any], own_browser: AsyncClient, session: AsyncSession
    ) -> None:
        cookie = (await session.scalars(select(CookieSession))).one()
        sessions: CookieSessions = state["cookie_sessions"]
        before = token_of(own_browser)

        assert await sessions.renew(session, cookie.session_id, before) is not None
        assert await sessions.renew(session, cookie.session_id, before) is None
