from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.infrastructure.security.keys import Keyring
from app.infrastructure.security.settings import SecretSettings
from app.modules.cookie_session.csrf import CsrfTokens
from app.modules.user.models import User

from .browser import kind_of, log_in, token_of, with_cookie

pytestmark = pytest.mark.anyio

NEW, OLD = SecretStr("n" * 32), SecretStr("o" * 32)


class TestCsrfToken:
    async def test_lets_a_change_through(self, own_browser: AsyncClient) -> None:
        response = await own_browser.patch("users/me", json={"name": "After"})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("PATCH", "users/me"),
            ("DELETE", "users/me"),
            ("POST", "auth/logout"),
            ("POST", "auth/logout-everywhere"),
        ],
    )
    @pytest.mark.parametrize("given", [None, "", "wrong", "é", "0" * 64])
    async def test_is_asked_for_by_every_change(
        self, own_browser: AsyncClient, user: User, method: str, path: str, given: str | None
    ) -> None:
        del own_browser.headers["x-csrf-token"]
        headers = {} if given is None else {b"x-csrf-token": given.encode()}

        with capture_logs() as lines:
            response = await own_browser.request(method, path, headers=headers)

        assert response.status_code == 403
        assert kind_of(response) == "session.csrf"
        (event,) = [line for line in lines if line["event"] == "security event"]
        assert event["name"] == "csrf_refused"
        assert event["log_level"] == "warning"
        assert event["path"] == f"/api/v1/{path}"
        assert event["target_id"] == str(user.id)
        assert (await own_browser.get("users/me")).json()["name"] == user.name

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    async def test_is_not_asked_for_by_what_changes_nothing(
        self, own_browser: AsyncClient, method: str
    ) -> None:
        del own_browser.headers["x-csrf-token"]

        response = await own_browser.request(method, "users/me")

        assert response.status_code == (200 if method == "GET" else 405)

    async def test_of_another_session_does_not_count(
        self, own_browser: AsyncClient, app: FastAPI, state: dict[str, Any], user: User
    ) -> None:
        """An attacker has a session, and so a token, of their own."""
        before, token = own_browser.headers["x-csrf-token"], token_of(own_browser)
        own_browser.cookies.clear()
        await log_in(own_browser, user)
        assert own_browser.headers["x-csrf-token"] != before

        for csrf_token, status in ((own_browser.headers["x-csrf-token"], 403), (before, 200)):
            async with with_cookie(app, state, token, csrf_token) as client:
                response = await client.patch("users/me", json={"name": "After"})
            assert response.status_code == status

    async def test_does_not_come_in_the_query(self, own_browser: AsyncClient) -> None:
        token = own_browser.headers.pop("x-csrf-token")

        response = await own_browser.post("auth/logout", params={"csrf_token": token})

        assert response.status_code == 403

    async def test_is_not_asked_for_beside_a_bearer_token(
        self, own_browser: AsyncClient, user_client: AsyncClient
    ) -> None:
        del own_browser.headers["x-csrf-token"]
        headers = {"authorization": user_client.headers["authorization"]}

        response = await own_browser.patch("users/me", json={"name": "After"}, headers=headers)

        assert response.status_code == 200

    async def test_and_cookie_do_not_help_a_wrong_bearer_token(
        self, own_browser: AsyncClient
    ) -> None:
        response = await own_browser.get("users/me", headers={"authorization": "Bearer x.y.z"})

        assert response.status_code == 401

    async def test_alone_opens_nothing(self, own_browser: AsyncClient) -> None:
        own_browser.cookies.clear()

        assert (await own_browser.get("users/me")).status_code == 401

    def test_outlives_a_change_of_the_secret(self) -> None:
        session_id = uuid4()
        old = CsrfTokens(Keyring(SecretSettings(key=OLD)))
        both = CsrfTokens(Keyring(SecretSettings(key=NEW, previous_keys=(OLD,))))
        new = CsrfTokens(Keyring(SecretSettings(key=NEW)))

        assert both.is_of(session_id, old.of(session_id))
        assert both.is_of(session_id, new.of(session_id))
        assert both.of(session_id) == new.of(session_id)
        assert not new.is_of(session_id, old.of(session_id))

    def test_is_of_one_session(self) -> None:
        tokens = CsrfTokens(Keyring(SecretSettings(key=NEW)))
        one, other = UUID(int=1), UUID(int=2)

        assert len(tokens.of(one)) == 64
        assert not tokens.is_of(other, tokens.of(one))
