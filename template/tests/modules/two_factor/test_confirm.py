from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.fixtures.auth import PASSWORD, log_in

from .phone import Phone, first_half

pytestmark = pytest.mark.anyio


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
