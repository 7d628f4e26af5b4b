"""The tokens in mailed links."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.infrastructure.security.keys import new_token, token_hash
from app.modules.user.privacy import PersonalData

from .crud import EmailTokenCRUD
from .models import Purpose
from .schemas import EmailTokenRead
from .settings import AccountEmailSettings


async def issue_token(
    session: AsyncSession,
    settings: AccountEmailSettings,
    purpose: Purpose,
    user_id: UUID,
    email: str,
) -> str:
    """Former tokens of the account for this purpose count no more."""
    ttl_seconds = {
        Purpose.VERIFY: settings.verification_ttl_seconds,
        Purpose.RESET: settings.reset_ttl_seconds,
        Purpose.CHANGE: settings.change_ttl_seconds,
    }
    token, now = new_token(), datetime.now(UTC)
    await EmailTokenCRUD(session).replace(
        user_id=user_id,
        purpose=purpose,
        token_hash=token_hash(token),
        email=email,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds[purpose]),
    )
    return token


class EmailTokensPurge(Purge):
    name: ClassVar[str] = "email_tokens"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await EmailTokenCRUD(session).purge(now)


class EmailTokensData(PersonalData):
    name: ClassVar[str] = "email_tokens"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        records = await EmailTokenCRUD(session).open_of(user_id, datetime.now(UTC))
        return [EmailTokenRead.model_validate(it).model_dump(mode="json") for it in records]

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await EmailTokenCRUD(session).void(user_id, tuple(Purpose))
