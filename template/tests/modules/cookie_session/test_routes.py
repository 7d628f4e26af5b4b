from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from app.bootstrap.settings import Settings
from app.modules.user.models import User

from .browser import CLEARED, COOKIE, browsing, kind_of, log_in, token_of, with_cookie

pytestmark = pytest.mark.anyio


class TestReadSession:
    async def test_answers_what_the_login_did(self, browser: AsyncClient, user: User) -> None:
        login = await log_in(browser, user)

        response = await browser.get("session")

        assert response.status_code == 200
        assert response.json() == login
        assert response.headers["cache-control"] == "no-store"
        assert token_of(browser) not in response.text

    async def test_takes_the_cookie(self, browser: AsyncClient, user_client: AsyncClient) -> None:
        for client in (browser, user_client):
            response = await client.get("session")

            assert response.status_code == 401
            assert kind_of(response) == "auth.not_authenticated"

    async def test_is_about_the_cookie_beside_another_credential(
        self, own_browser: AsyncClient, user_client: AsyncClient
    ) -> None:
        before = (await own_browser.get("session")).json()
        own_browser.headers["authorization"] = user_client.headers["authorization"]

        assert (await own_browser.get("session")).json() == before


class TestCloseSession:
    async def test_ends_it_and_clears_the_browser(
        self, app: FastAPI, state: dict[str, Any], own_browser: AsyncClient, user: User
    ) -> None:
        token = token_of(own_browser)

        with capture_logs() as lines:
            response = await own_browser.delete("session")

        assert response.status_code == 204
        assert response.content == b""
        assert response.headers.get_list("set-cookie") == [CLEARED]
        assert response.headers["clear-site-data"] == '"storage"'
        assert COOKIE not in own_browser.cookies
        (event,) = [line for line in lines if line["event"] == "security event"]
        assert event["name"] == "logout"
        assert event["actor_id"] == event["target_id"] == str(user.id)
        async with with_cookie(app, state, token) as thief:
            assert (await thief.get("users/me")).status_code == 401

    async def test_takes_the_csrf_token(self, own_browser: AsyncClient) -> None:
        del own_browser.headers["x-csrf-token"]

        response = await own_browser.delete("session")

        assert response.status_code == 403
        assert kind_of(response) == "session.csrf"
        assert "set-cookie" not in response.headers
        assert (await own_browser.get("users/me")).status_code == 200

    @pytest.mark.parametrize("token", [None, "of-nobody"])
    async def test_without_a_session_clears_all_the_same(
        self, app: FastAPI, state: dict[str, Any], browser: AsyncClient, token: str | None
    ) -> None:
        if token is None:
            response = await browser.delete("session")
        else:
            async with with_cookie(app, state, token) as client:
                response = await client.delete("session")

        assert response.status_code == 204
        assert response.headers.get_list("set-cookie") == [CLEARED]

    async def test_of_a_session_that_is_over_clears_all_the_same(
        self, app: FastAPI, state: dict[str, Any], own_browser: AsyncClient
    ) -> None:
        token = token_of(own_browser)
        await own_browser.delete("session")

        async with with_cookie(app, state, token) as client:
            with capture_logs() as lines:
                response = await client.delete("session")

        assert response.status_code == 204
        assert response.headers.get_list("set-cookie") == [CLEARED]
        assert [line["event"] for line in lines] == ["request"]

    async def test_leaves_other_logins_alone(
        self, own_browser: AsyncClient, user_client: AsyncClient
    ) -> None:
        await own_browser.delete("session")

        assert (await user_client.get("users/me")).status_code == 200

    async def test_clears_the_cookie_by_its_other_name(
        self, settings: Settings, state: dict[str, Any]
    ) -> None:
        plain = settings.session.model_copy(update={"secure_cookie": False})
        settings = settings.model_copy(update={"session": plain})
        async with browsing(settings, state, base_url="http://test") as browser:
            response = await browser.delete("session")

        assert response.headers.get_list("set-cookie") == [
            'session=""; HttpOnly; Max-Age=0; Path=/; SameSite=lax'
        ]


class TestOtherWaysToEndIt:
    @pytest.mark.parametrize("path", ["auth/logout", "auth/logout-everywhere"])
    async def test_logging_out(self, own_browser: AsyncClient, path: str) -> None:
        assert (await own_browser.post(path)).status_code == 204

        assert (await own_browser.get("users/me")).status_code == 401

    async def test_from_another_device(
        self, own_browser: AsyncClient, user_client: AsyncClient
    ) -> None:
        logins = (await user_client.get("auth/sessions")).json()
        (session_id,) = [it["id"] for it in logins if it["kind"] == "cookie"]

        response = await user_client.delete(f"auth/sessions/{session_id}")

        assert response.status_code == 204
        assert (await own_browser.get("users/me")).status_code == 401

    @pytest.mark.parametrize(
        ("method", "path"),
        [("DELETE", "users/{id}/sessions"), ("POST", "users/{id}/deactivate")],
    )
    async def test_by_an_administrator(
        self,
        own_browser: AsyncClient,
        superuser_client: AsyncClient,
        user: User,
        method: str,
        path: str,
    ) -> None:
        response = await superuser_client.request(method, path.format(id=user.id))

        assert response.status_code in {200, 204}
        assert (await own_browser.get("users/me")).status_code == 401

    async def test_closing_the_account(self, own_browser: AsyncClient) -> None:
        assert (await own_browser.delete("users/me")).status_code == 204

        assert (await own_browser.get("users/me")).status_code == 401
