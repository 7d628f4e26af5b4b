from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pyotp import TOTP
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.auth.models import LoginSession
from app.modules.two_factor.models import RecoveryCode, TotpDevice
from app.modules.user.models import User
from tests.fixtures.auth import log_in
from tests.support import client_of

from .phone import Clock, Events, Phone, first_half, second_half

pytestmark = pytest.mark.anyio

OFF = {"is_active": False, "confirmed_at": None, "recovery_codes_left": 0}


class TestRead:
    async def test_is_off_at_first(self, user_client: AsyncClient) -> None:
        response = await user_client.get("two-factor")

        assert response.status_code == 200
        assert response.json() == OFF

    async def test_shows_that_it_is_on(self, user_client: AsyncClient, phone: Phone) -> None:
        body = (await user_client.get("two-factor")).json()

        assert (body["is_active"], body["recovery_codes_left"]) == (True, 10)
        assert body["confirmed_at"] is not None
        assert phone.secret not in str(body)

    async def test_is_for_who_is_logged_in(self, client: AsyncClient) -> None:
        assert (await client.get("two-factor")).status_code == 401

    async def test_is_for_full_logins(
        self, client: AsyncClient, state: dict[str, Any], user: User
    ) -> None:
        await log_in(client, state, user, scopes=["profile:read"])

        assert (await client.get("two-factor")).status_code == 403


class TestEnrol:
    async def test_gives_what_an_app_needs(self, user_client: AsyncClient, user: User) -> None:
        response = await user_client.post("two-factor/enrol")

        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        body = response.json()
        assert body.keys() == {"secret", "uri", "qr_code"}
        assert len(body["secret"]) == 32
        assert body["uri"].startswith("otpauth://totp/")
        assert f":{user.username}?secret={body['secret']}&issuer=" in body["uri"]
        assert body["qr_code"].startswith("data:image/svg+xml")

    async def test_changes_nothing_yet(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        await user_client.post("two-factor/enrol")

        assert (await user_client.get("two-factor")).json() == OFF
        form = {"username": user.username, "password": "correct horse battery"}
        assert (await client.post("auth/token", data=form)).status_code == 200

    async def test_the_secret_is_stored_encrypted(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        secret = (await user_client.post("two-factor/enrol")).json()["secret"]

        stored = await session.scalar(select(TotpDevice.encrypted_secret))
        assert stored is not None
        assert secret not in stored
        assert len(stored) == 80

    async def test_again_takes_the_place_of_the_first(
        self, user_client: AsyncClient, clock: Clock
    ) -> None:
        first = (await user_client.post("two-factor/enrol")).json()["secret"]
        second = (await user_client.post("two-factor/enrol")).json()["secret"]

        assert first != second
        refused = await user_client.post(
            "two-factor/activate", json={"code": TOTP(first).at(clock.now)}
        )
        assert refused.status_code == 403
        response = await user_client.post(
            "two-factor/activate", json={"code": TOTP(second).at(clock.now)}
        )
        assert response.status_code == 200

    async def test_does_not_replace_an_active_one(
        self, user_client: AsyncClient, client: AsyncClient, phone: Phone
    ) -> None:
        response = await user_client.post("two-factor/enrol")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:two_factor.already_active"
        challenge = await first_half(client, phone.user)
        assert (await second_half(client, challenge, phone.next_code())).status_code == 200

    @pytest.mark.parametrize("path", ["enrol", "activate", "recovery-codes"])
    async def test_takes_a_recent_login(
        self, client: AsyncClient, state: dict[str, Any], user: User, path: str
    ) -> None:
        await log_in(client, state, user, age=timedelta(minutes=16))

        response = await client.post(f"two-factor/{path}", json={"code": "123456"})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"


class TestActivate:
    async def test_gives_ten_recovery_codes_once(
        self, user_client: AsyncClient, phone: Phone, session: AsyncSession
    ) -> None:
        assert len(set(phone.recovery_codes)) == 10
        stored = (await session.scalars(select(RecoveryCode.code_hash))).all()
        assert len(stored) == 10
        assert not set(stored) & set(phone.recovery_codes)
        again = await user_client.post("two-factor/activate", json={"code": phone.next_code()})
        assert again.status_code == 409

    async def test_refuses_a_wrong_code(self, user_client: AsyncClient, clock: Clock) -> None:
        secret = (await user_client.post("two-factor/enrol")).json()["secret"]
        code = TOTP(secret).at(clock.now - 60)

        with Events() as events:
            response = await user_client.post("two-factor/activate", json={"code": code})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:two_factor.wrong_code"
        assert events.names == ["two_factor_failed"]
        assert (await user_client.get("two-factor")).json() == OFF

    async def test_takes_the_code_as_the_app_shows_it(
        self, user_client: AsyncClient, clock: Clock
    ) -> None:
        secret = (await user_client.post("two-factor/enrol")).json()["secret"]
        code = TOTP(secret).at(clock.now)

        response = await user_client.post(
            "two-factor/activate", json={"code": f"{code[:3]} {code[3:]}"}
        )

        assert response.status_code == 200

    async def test_needs_an_enrolment_and_counts_nothing_without(
        self, user_client: AsyncClient
    ) -> None:
        statuses = [
            (await user_client.post("two-factor/activate", json={"code": "123456"})).status_code
            for _ in range(7)
        ]

        assert statuses == [409] * 7

    async def test_ends_all_other_logins(
        self,
        app: FastAPI,
        state: dict[str, Any],
        user: User,
        user_client: AsyncClient,
        clock: Clock,
    ) -> None:
        async with client_of(app, state) as other:
            await log_in(other, state, user)
            await Phone.set_up(user_client, user, clock)

            assert (await other.get("users/me")).status_code == 401
            assert (await user_client.get("users/me")).status_code == 200

    async def test_counts_as_a_login_with_the_second_factor(
        self, phone: Phone, session: AsyncSession
    ) -> None:
        methods = await session.scalars(
            select(LoginSession.methods).where(
                LoginSession.user_id == phone.user.id, LoginSession.revoked_at.is_(None)
            )
        )

        assert methods.all() == ["otp pwd"]

    async def test_uses_its_code_up(self, client: AsyncClient, phone: Phone) -> None:
        challenge = await first_half(client, phone.user)

        assert (await second_half(client, challenge, phone.code())).status_code == 401

    async def test_is_recorded_without_secrets(
        self, user_client: AsyncClient, user: User, clock: Clock
    ) -> None:
        with Events() as events:
            phone = await Phone.set_up(user_client, user, clock)

        assert events.names == ["login_confirmed", "two_factor_enabled"]
        assert {event["target_id"] for event in events.all} == {str(user.id)}
        for secret in (phone.secret, phone.code(), *phone.recovery_codes):
            assert secret not in events.text

    @pytest.mark.parametrize("code", ["", "12345", "1234567", "12 3456", "\u0661" * 6, "abcdef"])
    async def test_refuses_what_no_app_shows(self, user_client: AsyncClient, code: str) -> None:
        response = await user_client.post("two-factor/activate", json={"code": code})

        assert response.status_code == 422
        assert code == "" or code not in response.text


class TestRenewRecoveryCodes:
    async def test_earlier_ones_count_no_more(
        self, user_client: AsyncClient, client: AsyncClient, phone: Phone
    ) -> None:
        with Events() as events:
            response = await user_client.post(
                "two-factor/recovery-codes", json={"code": phone.next_code()}
            )

        assert response.status_code == 200, response.text
        codes = response.json()["recovery_codes"]
        assert len(codes) == 10
        assert not set(codes) & set(phone.recovery_codes)
        assert events.names == ["recovery_codes_renewed"]
        assert not any(code in events.text for code in codes)
        challenge = await first_half(client, phone.user)
        refused = await second_half(client, challenge, phone.recovery_codes[0])
        assert refused.status_code == 401
        assert (await second_half(client, challenge, codes[0])).status_code == 200

    async def test_takes_a_code_of_the_app(self, user_client: AsyncClient, phone: Phone) -> None:
        wrong = await user_client.post(
            "two-factor/recovery-codes", json={"code": phone.wrong_code()}
        )
        recovery = await user_client.post(
            "two-factor/recovery-codes", json={"code": phone.recovery_codes[0]}
        )

        assert wrong.status_code == 403
        assert recovery.status_code == 422

    async def test_needs_an_active_second_factor(self, user_client: AsyncClient) -> None:
        response = await user_client.post("two-factor/recovery-codes", json={"code": "123456"})

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:two_factor.not_active"


class TestDisable:
    @pytest.mark.parametrize("with_recovery_code", [False, True])
    async def test_takes_either_code(
        self,
        user_client: AsyncClient,
        client: AsyncClient,
        phone: Phone,
        session: AsyncSession,
        *,
        with_recovery_code: bool,
    ) -> None:
        code = phone.recovery_codes[3] if with_recovery_code else phone.next_code()

        with Events() as events:
            response = await user_client.request("DELETE", "two-factor", json={"code": code})

        assert response.status_code == 204
        assert events.names[-1] == "two_factor_disabled"
        assert (await user_client.get("two-factor")).json() == OFF
        assert (await session.scalars(select(RecoveryCode))).all() == []
        form = {"username": phone.user.username, "password": "correct horse battery"}
        assert (await client.post("auth/token", data=form)).status_code == 200

    async def test_refuses_a_wrong_code(self, user_client: AsyncClient, phone: Phone) -> None:
        response = await user_client.request(
            "DELETE", "two-factor", json={"code": phone.wrong_code()}
        )

        assert response.status_code == 403
        assert (await user_client.get("two-factor")).json()["is_active"] is True

    async def test_ends_all_other_logins(
        self, app: FastAPI, state: dict[str, Any], user_client: AsyncClient, phone: Phone
    ) -> None:
        async with client_of(app, state) as other:
            await log_in(other, state, phone.user)
            await user_client.request("DELETE", "two-factor", json={"code": phone.next_code()})

            assert (await other.get("users/me")).status_code == 401
            assert (await user_client.get("users/me")).status_code == 200

    async def test_takes_a_recent_login(
        self, client: AsyncClient, state: dict[str, Any], phone: Phone
    ) -> None:
        await log_in(client, state, phone.user, age=timedelta(minutes=16))

        response = await client.request(
            "DELETE", "two-factor", json={"code": phone.recovery_codes[0]}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_needs_an_active_second_factor(self, user_client: AsyncClient) -> None:
        response = await user_client.request("DELETE", "two-factor", json={"code": "123456"})

        assert response.status_code == 409

    async def test_can_be_set_up_anew(
        self, user_client: AsyncClient, client: AsyncClient, phone: Phone
    ) -> None:
        await user_client.request("DELETE", "two-factor", json={"code": phone.next_code()})
        phone.clock.now += 30
        new = await Phone.set_up(user_client, phone.user, phone.clock)

        challenge = await first_half(client, phone.user)
        assert (await second_half(client, challenge, phone.next_code())).status_code == 401
        assert (await second_half(client, challenge, new.code())).status_code == 200
