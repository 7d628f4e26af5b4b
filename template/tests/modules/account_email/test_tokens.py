from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import purge
from app.modules.account_email.models import EmailToken, Purpose
from app.modules.account_email.settings import AccountEmailSettings
from app.modules.account_email.tokens import EmailTokensData, EmailTokensPurge, issue_token
from app.modules.user.models import User
from tests.fixtures.auth import create_user

pytestmark = pytest.mark.anyio

SETTINGS = AccountEmailSettings()


async def stored(session: AsyncSession) -> int:
    return (await session.scalar(select(func.count()).select_from(EmailToken))) or 0


async def issue_all(session: AsyncSession, user: User) -> None:
    for purpose in Purpose:
        await issue_token(session, SETTINGS, purpose, user.id, user.email)
    await session.commit()


class TestLifetime:
    @pytest.mark.parametrize(
        ("purpose", "life"),
        [
            (Purpose.VERIFY, timedelta(days=1)),
            (Purpose.RESET, timedelta(minutes=30)),
            (Purpose.CHANGE, timedelta(hours=1)),
        ],
    )
    async def test_depends_on_the_purpose(
        self, session: AsyncSession, user: User, purpose: Purpose, life: timedelta
    ) -> None:
        await issue_token(session, SETTINGS, purpose, user.id, user.email)

        record = (await session.scalars(select(EmailToken))).one()
        assert record.expires_at - record.created_at == life

    def test_of_a_password_reset_is_an_hour_at_most(self) -> None:
        with pytest.raises(ValidationError):
            AccountEmailSettings(reset_ttl_seconds=3601)


class TestPurge:
    async def test_deletes_what_has_expired(
        self, state: dict[str, Any], session: AsyncSession, user: User
    ) -> None:
        await issue_all(session, user)
        half_past = datetime.now(UTC) + timedelta(minutes=31)

        assert await EmailTokensPurge().purge(session, half_past) == 1
        assert await EmailTokensPurge().purge(session, half_past) == 0
        assert await stored(session) == 2
        await session.commit()
        assert (await purge(state["database"], state["extensions"]))["email_tokens"] == 0


class TestPersonalData:
    async def test_export_shows_open_links_without_secrets(
        self, user_client: AsyncClient, session: AsyncSession, user: User
    ) -> None:
        token = await issue_token(session, SETTINGS, Purpose.CHANGE, user.id, "new@example.com")
        other = await create_user(session)
        await issue_token(session, SETTINGS, Purpose.RESET, other.id, other.email)
        await session.commit()

        response = await user_client.get("users/me/export")

        (shown,) = response.json()["email_tokens"]
        assert shown.keys() == {"purpose", "email", "created_at", "expires_at"}
        assert (shown["purpose"], shown["email"]) == ("change", "new@example.com")
        assert token not in response.text

    async def test_erase_leaves_those_of_others(self, session: AsyncSession, user: User) -> None:
        other = await create_user(session)
        await issue_all(session, user)
        await issue_all(session, other)

        await EmailTokensData().erase(session, user.id)
        await EmailTokensData().erase(session, user.id)

        left = set(await session.scalars(select(EmailToken.user_id)))
        assert left == {other.id}

    async def test_anonymization_erases(
        self, superuser_client: AsyncClient, session: AsyncSession, user: User
    ) -> None:
        await issue_all(session, user)

        assert (await superuser_client.delete(f"users/{user.id}")).status_code == 204

        assert await stored(session) == 0
