from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession

from tests.fixtures.auth import create_user, log_in

from .phone import Events, Phone, first_half, second_half

pytestmark = pytest.mark.anyio


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
