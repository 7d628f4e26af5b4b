import json
from hashlib import sha256
from re import fullmatch
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.bootstrap.settings import Settings
from app.core.errors import ForbiddenError
from app.core.feature import Feature
from app.infrastructure.http.settings import CorsSettings
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Login, LoginStep
from app.modules.cookie_session.models import CookieSession
from app.modules.cookie_session.settings import SessionSettings
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user

from .browser import (
    COOKIE,
    attributes_of,
    browsing,
    credentials,
    kind_of,
    log_in,
    token_of,
    with_cookie,
)

pytestmark = pytest.mark.anyio

FORM = "application/x-www-form-urlencoded"


class PhoneMissingError(ForbiddenError):
    code = "phone.missing"
    title = "Phone missing"


class AsksForPhone(LoginStep):
    async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
        raise PhoneMissingError("Where is your phone?")


def recorded(lines: list[Any]) -> list[str]:
    return [line["name"] for line in lines if line["event"] == "security event"]


class TestLogIn:
    @pytest.mark.parametrize("spelling", ["{username}", "{email}", "{EMAIL}"])
    async def test_takes_the_username_or_the_email(
        self, browser: AsyncClient, user: User, spelling: str
    ) -> None:
        username = spelling.format(
            username=user.username, email=user.email, EMAIL=user.email.upper()
        )

        response = await browser.post("session", json=credentials(user) | {"username": username})

        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        assert response.json().keys() == {"csrf_token", "expires_at"}

    async def test_sets_a_cookie_that_no_script_and_no_other_host_gets(
        self, browser: AsyncClient, user: User
    ) -> None:
        response = await browser.post("session", json=credentials(user))

        (header,) = response.headers.get_list("set-cookie")
        assert fullmatch(r"__Host-session=[A-Za-z0-9_-]{43}", header.partition(";")[0])
        assert attributes_of(header) == "HttpOnly; Max-Age=2592000; Path=/; SameSite=lax; Secure"

    async def test_tells_the_token_in_the_cookie_alone(
        self, browser: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        with capture_logs() as lines:
            response = await browser.post("session", json=credentials(user))

        token = token_of(browser)
        assert token not in response.text
        assert token not in str(lines)
        stored = (await session.scalars(select(CookieSession))).one()
        assert stored.token_hash == sha256(token.encode()).hexdigest()
        assert token not in str(vars(stored))

    async def test_opens_the_account(self, own_browser: AsyncClient, user: User) -> None:
        response = await own_browser.get("users/me")

        assert response.status_code == 200
        assert response.json()["id"] == str(user.id)

    async def test_is_listed_among_the_logins(self, own_browser: AsyncClient) -> None:
        (login,) = (await own_browser.get("auth/sessions")).json()

        assert login["kind"] == "cookie"
        assert login["methods"] == ["pwd"]
        assert login["is_current"] is True

    async def test_is_a_security_event(self, browser: AsyncClient, user: User) -> None:
        with capture_logs() as lines:
            await log_in(browser, user)

        assert recorded(lines) == ["login_success"]

    @pytest.mark.parametrize(
        ("username", "password"), [(None, "not the password"), ("nobody", PASSWORD)]
    )
    async def test_one_answer_for_every_failure(
        self, browser: AsyncClient, user: User, username: str | None, password: str
    ) -> None:
        body = {"username": username or user.username, "password": password}

        response = await browser.post("session", json=body)

        assert response.status_code == 401
        assert kind_of(response) == "auth.invalid_credentials"
        assert "set-cookie" not in response.headers

    async def test_refuses_an_inactive_account(
        self, browser: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        user.is_active = False
        await session.commit()

        assert (await browser.post("session", json=credentials(user))).status_code == 401

    async def test_guessing_is_throttled(self, browser: AsyncClient, user: User) -> None:
        wrong = credentials(user) | {"password": "not the password"}

        statuses = [(await browser.post("session", json=wrong)).status_code for _ in range(11)]

        assert statuses == [401] * 10 + [429]
        assert (await browser.post("session", json=credentials(user))).status_code == 429

    async def test_nobody_gets_past_a_further_step(
        self, settings: Settings, state: dict[str, Any], user: User, session: AsyncSession
    ) -> None:
        step = Feature(name="phone", extensions=(AsksForPhone(),))
        async with browsing(settings, state, [step]) as browser:
            response = await browser.post("session", json=credentials(user))

        assert response.status_code == 403
        assert kind_of(response) == "phone.missing"
        assert "set-cookie" not in response.headers
        assert (await session.scalars(select(LoginSession))).all() == []

    @pytest.mark.parametrize(
        "body",
        [
            {"username": "ada"},
            {"password": PASSWORD},
            {"username": "", "password": PASSWORD},
            {"username": "a\x00b", "password": PASSWORD},
            {"username": "x" * 255, "password": PASSWORD},
            {"username": "ada", "password": "x" * 129},
            {"username": "ada", "password": PASSWORD, "scope": "users:manage"},
        ],
    )
    async def test_refuses_what_is_no_login(
        self, browser: AsyncClient, body: dict[str, str]
    ) -> None:
        response = await browser.post("session", json=body)

        assert response.status_code == 422
        assert PASSWORD not in response.text


class TestLogInAgain:
    async def test_never_keeps_a_planted_cookie(
        self, app: FastAPI, state: dict[str, Any], user: User
    ) -> None:
        async with with_cookie(app, state, "planted") as client:
            response = await client.post("session", json=credentials(user))

        assert response.status_code == 200
        assert response.headers["set-cookie"].startswith(f"{COOKIE}=")
        assert "planted" not in response.headers["set-cookie"]

    async def test_ends_the_session_before(
        self, app: FastAPI, state: dict[str, Any], own_browser: AsyncClient, user: User
    ) -> None:
        before = token_of(own_browser)

        with capture_logs() as lines:
            await log_in(own_browser, user)

        assert recorded(lines) == ["login_success", "logout"]
        assert token_of(own_browser) != before
        assert len((await own_browser.get("auth/sessions")).json()) == 1
        async with with_cookie(app, state, before) as thief:
            assert (await thief.get("users/me")).status_code == 401

    async def test_ends_somebody_elses_session_in_the_same_browser(
        self,
        own_browser: AsyncClient,
        user_client: AsyncClient,
        session: AsyncSession,
        password_hash: str,
    ) -> None:
        other = await create_user(session, hashed_password=password_hash)

        await log_in(own_browser, other)

        assert (await own_browser.get("users/me")).json()["id"] == str(other.id)
        (login,) = (await user_client.get("auth/sessions")).json()
        assert login["kind"] == "token"

    async def test_does_not_end_twice_what_is_over(
        self, own_browser: AsyncClient, user: User
    ) -> None:
        assert (await own_browser.post("auth/logout")).status_code == 204

        with capture_logs() as lines:
            await log_in(own_browser, user)

        assert recorded(lines) == ["login_success"]

    async def test_keeps_the_session_where_the_password_is_wrong(
        self, own_browser: AsyncClient, user: User
    ) -> None:
        wrong = credentials(user) | {"password": "not the password"}

        assert (await own_browser.post("session", json=wrong)).status_code == 401
        assert (await own_browser.get("users/me")).status_code == 200


class TestLogInFromAnotherSite:
    @pytest.mark.parametrize("content_type", [FORM, "text/plain", "multipart/form-data", None])
    async def test_no_form_can(
        self, browser: AsyncClient, user: User, content_type: str | None
    ) -> None:
        """All that a page may send without asking first (a CORS preflight)."""
        content = json.dumps(credentials(user))
        headers = {} if content_type is None else {"content-type": content_type}

        response = await browser.post("session", content=content, headers=headers)

        assert response.status_code == 422
        assert "set-cookie" not in response.headers

    @pytest.mark.parametrize(
        "headers",
        [
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ],
    )
    async def test_no_script_can(
        self, browser: AsyncClient, user: User, headers: dict[str, str]
    ) -> None:
        response = await browser.post("session", json=credentials(user), headers=headers)

        assert response.status_code == 403
        assert kind_of(response) == "session.foreign_origin"
        assert "set-cookie" not in response.headers

    async def test_is_not_counted_against_the_account(
        self, browser: AsyncClient, user: User
    ) -> None:
        wrong = credentials(user) | {"password": "not the password"}
        for _ in range(11):
            await browser.post("session", json=wrong, headers={"origin": "https://evil.example"})

        await log_in(browser, user)

    @pytest.mark.parametrize(
        ("cors", "status"),
        [
            (CorsSettings(origins=("https://app.example",), allow_credentials=True), 200),
            (CorsSettings(origins=("https://app.example",)), 403),
            (CorsSettings(origins=("*",), allow_credentials=True), 403),
            (CorsSettings(origins=("https://other.example",), allow_credentials=True), 403),
        ],
    )
    async def test_takes_an_origin_that_is_trusted_with_cookies(
        self, settings: Settings, state: dict[str, Any], user: User, cors: CorsSettings, status: int
    ) -> None:
        headers = {"origin": "https://app.example", "sec-fetch-site": "cross-site"}
        async with browsing(settings.model_copy(update={"cors": cors}), state) as browser:
            response = await browser.post("session", json=credentials(user), headers=headers)

        assert response.status_code == status, response.text


class TestCookieSettings:
    @pytest.mark.parametrize(
        ("values", "name", "attributes"),
        [
            (
                SessionSettings(secure_cookie=False),
                "session",
                "HttpOnly; Max-Age=2592000; Path=/; SameSite=lax",
            ),
            (
                SessionSettings(same_site="strict"),
                "__Host-session",
                "HttpOnly; Max-Age=2592000; Path=/; SameSite=strict; Secure",
            ),
            (
                SessionSettings(same_site="none"),
                "__Host-session",
                "HttpOnly; Max-Age=2592000; Path=/; SameSite=none; Secure",
            ),
        ],
    )
    async def test_make_the_cookie(
        self,
        settings: Settings,
        state: dict[str, Any],
        user: User,
        values: SessionSettings,
        name: str,
        attributes: str,
    ) -> None:
        settings = settings.model_copy(update={"session": values})
        base_url = "https://test" if values.secure_cookie else "http://test"
        async with browsing(settings, state, base_url=base_url) as browser:
            response = await browser.post("session", json=credentials(user))
            me = await browser.get("users/me")

        header = response.headers["set-cookie"]
        assert header.startswith(f"{name}=")
        assert attributes_of(header) == attributes
        assert me.status_code == 200
