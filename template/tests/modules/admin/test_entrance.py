"""Who gets in, and how one gets out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.core.extensions import Extensions
from app.infrastructure.security.settings import AuthSettings
from app.modules.admin.permissions import USE_ADMIN
from app.modules.admin.session import PanelSessions
from app.modules.admin.settings import AdminSettings
from app.modules.auth.errors import HaltedLoginError, InvalidCredentialsError
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Login, LoginCompletion, LoginStep
from app.modules.user.authentication import Authentication
from app.modules.user.models import User
from app.modules.user.permissions import Policy
from tests.fixtures.auth import Witness, create_user

from .browser import FORM_SECRET, SESSION, Browser

pytestmark = pytest.mark.anyio


class CodeRequiredError(HaltedLoginError):
    code = "test.code_required"
    title = "A code is needed"


class Step(LoginStep, LoginCompletion):
    """Asks everybody for the same code."""

    def __init__(self) -> None:
        self.halted: dict[str, Login] = {}

    async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
        if "otp" not in login.methods:
            self.halted["slip"] = login
            raise CodeRequiredError("Send the code.", challenge="slip", expires_in=60)

    async def redeem(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        grant: str,
        challenge: SecretStr,
        code: SecretStr,
    ) -> Login:
        if code.get_secret_value() != "1234":
            raise InvalidCredentialsError
        login = self.halted[challenge.get_secret_value()]
        assert login.grant == grant
        return replace(login, methods=login.methods | {"otp"})


class AdmittingPolicy(Policy):
    def __init__(self, *permissions: str) -> None:
        self.permissions = permissions

    async def granted(self, session: AsyncSession, user_id: object) -> tuple[str, ...]:  # noqa: ARG002
        return self.permissions

    async def rank(self, session: AsyncSession, user_id: object) -> int:  # noqa: ARG002
        return 1


class TestLogin:
    async def test_strangers_are_sent_to_the_login_page(self, browser: Browser) -> None:
        for path in ("/", "/user/list", "/user/create"):
            response = await browser.open(path)
            assert response.url.path == "/admin/login"

    async def test_path_without_a_slash_leads_in(self, browser: Browser) -> None:
        assert (await browser.open("")).url.path == "/admin/login"

    async def test_superuser_gets_in(self, browser: Browser, root: User) -> None:
        response = await browser.log_in(root)

        assert response.status_code == 303
        assert response.headers["location"] == "/admin/"
        assert "root-ada" in (await browser.open("/")).text

    async def test_cookies_are_for_this_host_alone(self, browser: Browser, root: User) -> None:
        response = await browser.log_in(root)

        (cookie,) = [it for it in response.headers.get_list("set-cookie") if SESSION in it]
        for attribute in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
            assert attribute in cookie
        assert "Domain" not in cookie

    async def test_normal_user_is_refused(
        self, browser: Browser, user: User, witness: Witness
    ) -> None:
        response = await browser.log_in(user)

        assert response.status_code == 403
        assert SESSION not in browser.client.cookies
        assert witness.names == ["unauthorized_access"]
        assert witness.events[0].actor_id == user.id

    async def test_wrong_password_is_refused(
        self, browser: Browser, root: User, witness: Witness
    ) -> None:
        response = await browser.log_in(root, "wrong horse battery")

        assert response.status_code == 401
        assert "The username or the password is wrong." in response.text
        assert witness.names == ["login_failure"]

    async def test_guesses_are_counted_with_all_others(
        self, browser: Browser, root: User, adjust_auth: Callable[..., AuthSettings]
    ) -> None:
        adjust_auth(failures_per_account=1)
        await browser.log_in(root, "wrong horse battery")

        response = await browser.log_in(root)

        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0

    async def test_whoever_is_granted_the_permission_gets_in(
        self,
        browser: Browser,
        user: User,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        extensions = Extensions((*state["extensions"].of(object), AdmittingPolicy(USE_ADMIN.name)))
        authentication = Authentication(extensions, recent_seconds=60)
        monkeypatch.setitem(state, "authentication", authentication)
        await browser.log_in(user)

        assert (await browser.open("/login-session/list")).status_code == 403
        home = await browser.open("/")
        assert home.status_code == 200
        assert "Users" not in home.text

    async def test_steps_of_the_login_are_taken(
        self,
        browser: Browser,
        root: User,
        state: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        step = Step()
        others = [
            it
            for it in state["extensions"].of(object)
            if not isinstance(it, LoginStep | LoginCompletion)
        ]
        monkeypatch.setitem(state, "extensions", Extensions((*others, step)))
        halted = await browser.log_in(root)
        assert "A code is needed" in halted.text
        assert SESSION not in browser.client.cookies

        wrong = await browser.send("/login", challenge="slip", code="4321")
        assert wrong.status_code == 401
        right = await browser.send("/login", challenge="slip", code="1234")

        assert right.status_code == 303
        assert (await browser.open("/")).status_code == 200


class TestSession:
    async def test_ends_with_a_logout(self, panel: Browser, witness: Witness) -> None:
        kept = panel.client.cookies[SESSION]
        response = await panel.send("/logout")
        assert response.headers["location"] == "/admin/login"
        assert SESSION not in panel.client.cookies
        assert witness.names == ["logout"]

        response = await panel.open_with(SESSION, kept)
        assert response.headers["location"] == "/admin/login"

    async def test_is_in_the_cookie_alone(self, panel: Browser) -> None:
        response = await panel.open_with(SESSION, panel.client.cookies[SESSION])

        assert response.status_code == 200

    async def test_ends_at_once_with_whatever_ends_logins(
        self, panel: Browser, root: User, session: AsyncSession
    ) -> None:
        revoked = update(LoginSession).values(revoked_at=datetime.now(UTC))
        await session.execute(revoked.where(LoginSession.user_id == root.id))
        await session.commit()

        assert (await panel.open("/")).url.path == "/admin/login"

    async def test_ends_at_once_when_the_account_is_closed(
        self, panel: Browser, root: User, session: AsyncSession
    ) -> None:
        await session.execute(update(User).where(User.id == root.id).values(is_active=False))
        await session.commit()

        assert (await panel.open("/")).url.path == "/admin/login"

    async def test_is_of_no_use_to_somebody_who_lost_the_right(
        self, panel: Browser, root: User, session: AsyncSession
    ) -> None:
        await session.execute(update(User).where(User.id == root.id).values(is_superuser=False))
        await session.commit()

        assert (await panel.open("/user/list")).status_code == 403
        assert (await panel.send("/logout")).status_code == 303

    async def test_lasts_no_longer_than_a_working_day(
        self,
        panel: Browser,  # noqa: ARG002 (has opened it)
        session: AsyncSession,
    ) -> None:
        expires_at = (await session.scalars(select(LoginSession.expires_at))).one()
        assert expires_at - datetime.now(UTC) <= timedelta(hours=12)

    async def test_ends_where_nobody_is_active(
        self, panel: Browser, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sessions: PanelSessions = state["admin_sessions"]
        monkeypatch.setattr(sessions, "_idle", timedelta(seconds=-1))

        assert (await panel.open("/")).url.path == "/admin/login"

    @pytest.mark.parametrize("value", ["", ".", "x.y.z", f"{'0' * 32}.1.{'0' * 64}"])
    async def test_cookie_that_is_not_ours_counts_for_nothing(
        self, browser: Browser, value: str
    ) -> None:
        response = await browser.open_with(SESSION, value)

        assert response.headers["location"] == "/admin/login"

    async def test_is_none_for_the_api(self, panel: Browser) -> None:
        assert (await panel.client.get("users/me")).status_code == 401

    async def test_token_of_the_api_is_none_for_the_panel(
        self, browser: Browser, session: AsyncSession, state: dict[str, Any]
    ) -> None:
        superuser = await create_user(session, is_superuser=True)
        issued = state["tokens"]().issue(superuser.id, superuser.id)
        browser.client.headers["authorization"] = f"Bearer {issued.token}"

        assert (await browser.open("/")).url.path == "/admin/login"


class TestSettings:
    def test_plain_cookies_are_refused_where_deployed(self) -> None:
        (refusal,) = AdminSettings(secure_cookies=False).refusals()

        assert "ADMIN_SECURE_COOKIES" in refusal
        assert AdminSettings().refusals() == []

    def test_form_secret_is_named_for_this_host(self) -> None:
        assert FORM_SECRET.startswith("__Host-")
