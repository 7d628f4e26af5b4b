from datetime import timedelta
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI, Response
from httpx2 import AsyncClient
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.extensions import Extensions
from app.core.feature import Feature, extensions_of
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, Login, LoginStep
from app.modules.two_factor.errors import TwoFactorRequiredError
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.support import client_of

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


class TestGuessing:
    async def test_five_wrong_codes_lock_whatever_follows(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        challenge = await first_half(client, phone.user)
        with Events() as events:
            wrong = [
                (await second_half(client, challenge, phone.wrong_code())).status_code
                for _ in range(5)
            ]
            locked = await second_half(client, challenge, phone.next_code())

        assert wrong == [401] * 5
        assert locked.status_code == 429
        assert 0 < int(locked.headers["retry-after"]) <= 900
        assert events.names == ["two_factor_failed"] * 5 + ["two_factor_locked"]
        assert all(line["log_level"] == "warning" for line in events.all)
        recovery = await second_half(client, challenge, phone.recovery_codes[0])
        assert recovery.status_code == 429

    async def test_a_new_challenge_gives_no_new_attempts(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        for _ in range(5):
            challenge = await first_half(client, phone.user)
            await second_half(client, challenge, phone.wrong_code())

        challenge = await first_half(client, phone.user)
        assert (await second_half(client, challenge, phone.next_code())).status_code == 429

    async def test_a_success_clears_the_short_count(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        for _ in range(2):
            challenge = await first_half(client, phone.user)
            for _ in range(4):
                await second_half(client, challenge, phone.wrong_code())
            assert (await second_half(client, challenge, phone.next_code())).status_code == 200

    async def test_successes_do_not_clear_the_count_of_the_day(
        self, client: AsyncClient, phone: Phone
    ) -> None:
        for number in range(30):
            if number % 4 == 0:
                challenge = await first_half(client, phone.user)
                response = await second_half(client, challenge, phone.next_code())
                assert response.status_code == 200
                challenge = await first_half(client, phone.user)
            await second_half(client, challenge, phone.wrong_code())

        assert (await second_half(client, challenge, phone.next_code())).status_code == 429

    async def test_locks_nobody_else(
        self,
        client: AsyncClient,
        phone: Phone,
        session: AsyncSession,
        password_hash: str,
        state: dict[str, Any],
    ) -> None:
        other = await create_user(session, hashed_password=password_hash)
        theirs = await Phone.set_up(await log_in(client, state, other), other, phone.clock)
        challenge = await first_half(client, phone.user)
        for _ in range(6):
            await second_half(client, challenge, phone.wrong_code())

        challenge = await first_half(client, other)
        assert (await second_half(client, challenge, theirs.next_code())).status_code == 200

    async def test_made_up_challenges_lock_the_address(self, client: AsyncClient) -> None:
        statuses = [(await second_half(client, "abc", "123456")).status_code for _ in range(101)]

        assert statuses == [401] * 100 + [429]


class TestConfirm:
    async def test_is_the_second_half_of_a_confirmation(
        self, client: AsyncClient, state: dict[str, Any], phone: Phone
    ) -> None:
        await log_in(client, state, phone.user, age=timedelta(hours=1))
        code = {"code": phone.next_code()}
        refused = await client.post("two-factor/recovery-codes", json=code)
        assert refused.json()["type"] == "urn:problem:auth.recent_login_required"

        halted = await client.post("auth/confirm", json={"current_password": PASSWORD})
        assert halted.status_code == 403
        assert halted.json()["type"] == "urn:problem:two_factor.confirmation_required"
        assert halted.json()["detail"] == (
            "Send the `challenge` with a code to `POST /api/v1/two-factor/confirm`."
        )
        still = await client.post("two-factor/recovery-codes", json=code)
        assert still.json()["type"] == "urn:problem:auth.recent_login_required"

        body = {"challenge": halted.json()["challenge"], **code}
        assert (await client.post("two-factor/confirm", json=body)).status_code == 204
        body = {"code": phone.next_code()}
        assert (await client.post("two-factor/recovery-codes", json=body)).status_code == 200

    async def test_a_code_without_the_password_is_not_enough(
        self, user_client: AsyncClient, phone: Phone
    ) -> None:
        response = await user_client.post("two-factor/confirm", json={"code": phone.next_code()})

        assert response.status_code == 422

    async def test_refuses_the_challenge_of_a_login(
        self, user_client: AsyncClient, client: AsyncClient, phone: Phone
    ) -> None:
        body = {"challenge": await first_half(client, phone.user), "code": phone.next_code()}
        response = await user_client.post("two-factor/confirm", json=body)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:two_factor.wrong_code"

    async def test_refuses_somebody_elses_challenge(
        self,
        user_client: AsyncClient,
        superuser_client: AsyncClient,
        phone: Phone,
    ) -> None:
        halted = await user_client.post("auth/confirm", json={"current_password": PASSWORD})
        body = {"challenge": halted.json()["challenge"], "code": phone.next_code()}

        assert (await superuser_client.post("two-factor/confirm", json=body)).status_code == 403

    async def test_says_when_there_is_nothing_to_confirm_with(
        self, user_client: AsyncClient, phone: Phone
    ) -> None:
        halted = await user_client.post("auth/confirm", json={"current_password": PASSWORD})
        body = {"challenge": halted.json()["challenge"], "code": phone.recovery_codes[0]}
        gone = {"code": phone.recovery_codes[1]}
        await user_client.request("DELETE", "two-factor", json=gone)

        assert (await user_client.post("two-factor/confirm", json=body)).status_code == 409

    async def test_is_not_asked_for_without_a_second_factor(self, user_client: AsyncClient) -> None:
        response = await user_client.post("auth/confirm", json={"current_password": PASSWORD})

        assert response.status_code == 204


class Slip(BaseModel):
    slip: str


class SlipGrant(Grant):
    """Another form of login."""

    name: ClassVar[str] = "paper-slip"
    schema = Slip

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,  # noqa: ARG002
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,
    ) -> Slip:
        return Slip(slip=login_session.kind)


class TestGrants:
    @pytest.fixture
    def with_slips(self, settings: Settings, state: dict[str, Any]) -> AsyncClient:
        features = [
            *enabled_features(settings),
            Feature(name="slip", extensions=(SlipGrant(),)),
        ]
        # The routes are those of more features; everything that was opened is the same.
        extensions = Extensions((*state["extensions"].of(object), SlipGrant()))
        assert len(extensions_of(features).of(Grant)) == len(extensions.of(Grant))
        return client_of(create_app(settings, features), {**state, "extensions": extensions})

    def challenge(self, state: dict[str, Any], user: User, grant: str) -> str:
        login = Login(user_id=user.id, methods=frozenset({"fed"}), grant=grant)
        return str(state["two_factor"].issue_challenge(login))

    async def test_each_has_a_second_half(
        self, with_slips: AsyncClient, state: dict[str, Any], phone: Phone
    ) -> None:
        body = {
            "challenge": self.challenge(state, phone.user, "paper-slip"),
            "code": phone.next_code(),
        }
        response = await with_slips.post("auth/paper-slip/two-factor", json=body)

        assert response.status_code == 200, response.text
        assert response.json() == {"slip": "paper-slip"}

    @pytest.mark.parametrize(("asked", "sent"), [("token", "paper-slip"), ("paper-slip", "token")])
    async def test_a_login_ends_in_the_form_it_was_begun_for(
        self,
        with_slips: AsyncClient,
        state: dict[str, Any],
        phone: Phone,
        asked: str,
        sent: str,
    ) -> None:
        body = {"challenge": self.challenge(state, phone.user, asked), "code": phone.next_code()}
        response = await with_slips.post(f"auth/{sent}/two-factor", json=body)

        assert response.status_code == 401
        assert response.json()["type"] == REFUSED

    async def test_is_described(self, settings: Settings) -> None:
        features = [*enabled_features(settings), Feature(name="slip", extensions=(SlipGrant(),))]
        paths = create_app(settings, features).openapi()["paths"]

        operation = paths["/api/v1/auth/paper-slip/two-factor"]["post"]
        assert operation["operationId"] == "complete_paper_slip_login"
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": "#/components/schemas/Slip"}


class TestClock:
    def test_is_the_real_one(self, state: dict[str, Any]) -> None:
        assert state["two_factor"].clock() > Clock().now - 100_000_000
