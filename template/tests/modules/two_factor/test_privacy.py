from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import purge
from app.modules.two_factor.models import RecoveryCode, TotpDevice, UsedChallenge
from app.modules.two_factor.privacy import TwoFactorPurge
from app.modules.user.models import User

from .phone import Phone, first_half, second_half

pytestmark = pytest.mark.anyio


async def count(session: AsyncSession, model: type[Any]) -> int:
    return (await session.scalar(select(func.count()).select_from(model))) or 0


class TestExport:
    async def test_tells_when_and_no_secret(
        self, client: AsyncClient, user_client: AsyncClient, phone: Phone, session: AsyncSession
    ) -> None:
        challenge = await first_half(client, phone.user)
        await second_half(client, challenge, phone.recovery_codes[0])

        response = await user_client.get("users/me/export")

        data = response.json()["two_factor"]
        assert data.keys() == {"enrolled_at", "confirmed_at", "recovery_codes_used_at"}
        assert len(data["recovery_codes_used_at"]) == 1
        assert all((data["enrolled_at"], data["confirmed_at"]))
        stored = await session.scalar(select(TotpDevice.encrypted_secret))
        hashes = await session.scalars(select(RecoveryCode.code_hash))
        for secret in (phone.secret, stored, *phone.recovery_codes, *hashes):
            assert str(secret) not in response.text

    async def test_of_an_account_without_one_is_empty(self, user_client: AsyncClient) -> None:
        response = await user_client.get("users/me/export")

        assert response.json()["two_factor"] == {
            "enrolled_at": None,
            "confirmed_at": None,
            "recovery_codes_used_at": [],
        }


class TestErase:
    async def test_leaves_nothing(
        self, superuser_client: AsyncClient, phone: Phone, session: AsyncSession
    ) -> None:
        assert (await superuser_client.delete(f"users/{phone.user.id}")).status_code == 204

        assert await count(session, TotpDevice) == 0
        assert await count(session, RecoveryCode) == 0
        assert (await superuser_client.delete(f"users/{phone.user.id}")).status_code == 204

    async def test_goes_with_the_account(self, phone: Phone, session: AsyncSession) -> None:
        await session.execute(delete(User).where(User.id == phone.user.id))

        assert await count(session, TotpDevice) == 0
        assert await count(session, RecoveryCode) == 0


class TestPurge:
    async def test_deletes_challenges_that_have_expired(
        self, client: AsyncClient, phone: Phone, state: dict[str, Any], session: AsyncSession
    ) -> None:
        challenge = await first_half(client, phone.user)
        await second_half(client, challenge, phone.next_code())
        expires_at = (await session.scalars(select(UsedChallenge.expires_at))).one()

        for now, left in ((expires_at - timedelta(seconds=1), 1), (expires_at, 0)):
            async with state["database"].transaction() as transaction:
                assert await TwoFactorPurge().purge(transaction, now) == 1 - left
            assert await count(session, UsedChallenge) == left

    async def test_deletes_enrolments_left_halfway_for_a_day(
        self, user_client: AsyncClient, state: dict[str, Any], session: AsyncSession
    ) -> None:
        await user_client.post("two-factor/enrol")
        assert (await purge(state["database"], state["extensions"]))["two_factor"] == 0
        created_at = (await session.scalars(select(TotpDevice.created_at))).one()
        await session.execute(
            update(TotpDevice).values(created_at=created_at - timedelta(days=1, minutes=1))
        )
        await session.commit()

        assert (await purge(state["database"], state["extensions"]))["two_factor"] == 1

    async def test_keeps_active_ones(
        self, phone: Phone, state: dict[str, Any], session: AsyncSession
    ) -> None:
        created_at = (await session.scalars(select(TotpDevice.created_at))).one()
        await session.execute(update(TotpDevice).values(created_at=created_at - timedelta(days=9)))
        await session.commit()

        assert (await purge(state["database"], state["extensions"]))["two_factor"] == 0
        assert phone.secret
