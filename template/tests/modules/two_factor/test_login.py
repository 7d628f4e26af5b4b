from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Login, LoginStep
from app.modules.two_factor.errors import TwoFactorRequiredError
from tests.fixtures.auth import PASSWORD, create_user

from .phone import Clock, Events, Phone, first_half, second_half

pytestmark = pytest.mark.anyio

REFUSED = "urn:problem:two_factor.refused"


class TestFirstHalf:
    async def test_gives_a_challenge_in_place_of_tokens(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        form = {"username": phone.user.username, "password": PASSWORD}
        with Events() as events:
            response = await client.post("auth/token", data=form)

        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.headers["cache-control"] == "no-store"
        body = response.json()
        assert body["type"] == "urn:problem:two_factor.required"
        assert body["detail"] == (
            "Send the `challenge` with a code to `POST /api/v1/auth/token/two-factor`."
        )
        assert body["expires_in"] == 300
        assert "access_token" not in body
        assert events.names == ["login_halted"]
        assert events.all[0]["reason"] == "two_factor.required"
        assert body["challenge"] not in events.text

    async def test_opens_no_session(
        self, client: AsyncClient, phone: Phone, session: AsyncSession
    ) -> None:
        await first_half(client, phone.user)

        sessions = await session.scalars(select(LoginSession))
        assert len(sessions.all()) == 1

    async def test_a_wrong_password_says_nothing_of_it(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        form = {"username": phone.user.username, "password": "not the password"}
        response = await client.post("auth/token", data=form)

        assert response.json()["type"] == "urn:problem:auth.invalid_credentials"

    async def test_holds_for_another_providers_word(
        self, state: dict[str, Any], phone: Phone, session: AsyncSession
    ) -> None:
        login = Login(user_id=phone.user.id, methods=frozenset({"fed"}), grant="token")

        for step in state["extensions"].of(LoginStep):
            with pytest.raises(TwoFactorRequiredError):
                await step.check(session, login)

    async def test_is_documented(self, app: FastAPI) -> None:
        paths = app.openapi()["paths"]

        login = paths["/api/v1/auth/token"]["post"]["responses"]["401"]
        assert login["description"] == "Invalid credentials · Second factor required"
        examples = login["content"]["application/problem+json"]["examples"]
        assert examples.keys() == {"auth.invalid_credentials", "two_factor.required"}
        confirmation = paths["/api/v1/auth/confirm"]["post"]["responses"]["403"]
        assert confirmation["description"].endswith(" · Second factor required")


class TestSecondHalf:
    async def test_hands_out_the_login(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)
        with Events() as events:
            response = await second_half(client, challenge, phone.next_code())

        assert response.status_code == 200, response.text
        assert response.json().keys() == {
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "refresh_expires_in",
        }
        assert events.names == ["login_success"]
        assert events.all[0]["methods"] == "otp pwd"
        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        assert (await client.get("users/me")).json()["id"] == str(phone.user.id)

    async def test_takes_a_code_one_step_old(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)
        phone.clock.now += 60

        assert (await second_half(client, challenge, phone.code(ago=1))).status_code == 200

    async def test_refuses_a_code_two_steps_old(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)
        phone.clock.now += 90

        assert (await second_half(client, challenge, phone.code(ago=2))).status_code == 401

    async def test_keeps_what_was_asked_for(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user, scope="profile:read")
        response = await second_half(client, challenge, phone.next_code())

        assert response.json()["scope"] == "profile:read"
        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        assert (await client.get("users/me")).status_code == 200
        assert (await client.patch("users/me", json={"name": "After"})).status_code == 403

    async def test_a_code_works_once(self, client: AsyncClient, phone: Phone) -> None:
        code = phone.next_code()
        first, second = await first_half(client, phone.user), await first_half(client, phone.user)

        assert (await second_half(client, first, code)).status_code == 200
        response = await second_half(client, second, code)
        assert response.status_code == 401
        assert response.json()["type"] == REFUSED

    async def test_a_code_before_the_last_one_counts_no_more(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        phone.clock.now += 60
        first, second = await first_half(client, phone.user), await first_half(client, phone.user)

        assert (await second_half(client, first, phone.code())).status_code == 200
        assert (await second_half(client, second, phone.code(ago=1))).status_code == 401

    async def test_a_challenge_works_once(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)

        assert (await second_half(client, challenge, phone.next_code())).status_code == 200
        response = await second_half(client, challenge, phone.next_code())
        assert response.status_code == 401
        assert response.json()["type"] == REFUSED

    async def test_a_used_challenge_uses_no_code_up(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        used, other = await first_half(client, phone.user), await first_half(client, phone.user)
        await second_half(client, used, phone.next_code())
        await second_half(client, used, phone.recovery_codes[0])

        assert (await second_half(client, other, phone.recovery_codes[0])).status_code == 200

    async def test_a_challenge_outlives_a_wrong_code(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        challenge = await first_half(client, phone.user)

        assert (await second_half(client, challenge, phone.wrong_code())).status_code == 401
        assert (await second_half(client, challenge, phone.next_code())).status_code == 200

    async def test_takes_at_most_five_minutes(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)
        phone.clock.now += 300

        assert (await second_half(client, challenge, phone.next_code())).status_code == 401

    @pytest.mark.parametrize("change", ["A", "AAAA", "swap"])
    async def test_refuses_a_made_up_challenge(
        self, client: AsyncClient, phone: Phone, change: str
    ) -> None:
        challenge = await first_half(client, phone.user)
        forged = challenge[::-1] if change == "swap" else change

        with Events() as events:
            response = await second_half(client, forged, phone.next_code())

        assert response.status_code == 401
        assert response.json()["type"] == REFUSED
        assert events.names == ["two_factor_failed"]

    async def test_another_persons_code_does_not_help(
        self, client: AsyncClient, phone: Phone, session: AsyncSession, password_hash: str
    ) -> None:
        other = await create_user(session, hashed_password=password_hash)
        challenge = await first_half(client, phone.user)
        form = {"username": other.username, "password": PASSWORD}
        token = (await client.post("auth/token", data=form)).json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"
        theirs = await Phone.set_up(client, other, phone.clock)

        assert (await second_half(client, challenge, theirs.next_code())).status_code == 401
        refused = await second_half(client, challenge, theirs.recovery_codes[0])
        assert refused.status_code == 401

    @pytest.mark.parametrize("change", ["is_active", "deleted_at"])
    async def test_refuses_an_account_closed_meanwhile(
        self, client: AsyncClient, phone: Phone, session: AsyncSession, change: str
    ) -> None:
        challenge = await first_half(client, phone.user)
        setattr(phone.user, change, False if change == "is_active" else phone.user.created_at)
        await session.commit()

        assert (await second_half(client, challenge, phone.next_code())).status_code == 401

    async def test_refuses_a_login_begun_with_the_former_password(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone
    ) -> None:
        challenge = await first_half(client, phone.user)
        body = {"current_password": PASSWORD, "new_password": "another long password"}
        assert (await user_client.post("auth/change-password", json=body)).status_code == 204

        assert (await second_half(client, challenge, phone.next_code())).status_code == 401

    async def test_takes_a_login_begun_with_the_new_password(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone
    ) -> None:
        body = {"current_password": PASSWORD, "new_password": PASSWORD}
        await user_client.post("auth/change-password", json=body)
        phone.clock.now += 1
        challenge = await first_half(client, phone.user)

        assert (await second_half(client, challenge, phone.next_code())).status_code == 200

    async def test_refuses_when_it_was_switched_off_meanwhile(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone
    ) -> None:
        challenge = await first_half(client, phone.user)
        await user_client.request("DELETE", "two-factor", json={"code": phone.next_code()})

        assert (await second_half(client, challenge, phone.next_code())).status_code == 401

    async def test_takes_the_challenge_of_a_confirmation_for_none(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone
    ) -> None:
        body = {"current_password": PASSWORD}
        challenge = (await user_client.post("auth/confirm", json=body)).json()["challenge"]

        assert (await second_half(client, challenge, phone.next_code())).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {"challenge": "", "code": "123456"},
            {"challenge": "a b", "code": "123456"},
            {"challenge": "a" * 4097, "code": "123456"},
            {"challenge": "abc", "code": "1234"},
            {"challenge": "abc", "code": "abcd-efgh"},
            {"challenge": "abc", "code": "a" * 24 + "1"},
            {"challenge": "abc"},
            {"challenge": "abc", "code": "123456", "grant": "token"},
        ],
    )
    async def test_refuses_other_shapes(self, client: AsyncClient, body: dict[str, str]) -> None:
        assert (await client.post("auth/token/two-factor", json=body)).status_code == 422


class TestRecoveryCode:
    @pytest.mark.parametrize("spelling", ["plain", "upper", "joined"])
    async def test_takes_the_place_of_the_app(
        self, client: AsyncClient, phone: Phone, spelling: str
    ) -> None:
        challenge = await first_half(client, phone.user)
        code = phone.recovery_codes[0]
        typed = {"plain": code, "upper": code.upper(), "joined": code.replace("-", "")}[spelling]

        with Events() as events:
            response = await second_half(client, challenge, typed)

        assert response.status_code == 200, response.text
        assert events.names == ["recovery_code_used", "login_success"]
        assert events.all[0]["log_level"] == "warning"
        assert events.all[0]["left"] == 9
        assert code not in events.text

    async def test_works_once(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone
    ) -> None:
        first, second = await first_half(client, phone.user), await first_half(client, phone.user)

        assert (await second_half(client, first, phone.recovery_codes[0])).status_code == 200
        assert (await second_half(client, second, phone.recovery_codes[0])).status_code == 401
        assert (await second_half(client, second, phone.recovery_codes[1])).status_code == 200
        assert (await user_client.get("two-factor")).json()["recovery_codes_left"] == 8


class TestClock:
    def test_is_the_real_one(self, state: dict[str, Any]) -> None:
        assert state["two_factor"].clock() > Clock().now - 100_000_000
