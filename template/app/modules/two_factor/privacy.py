from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .crud import RecoveryCodeCRUD, TotpDeviceCRUD, UsedChallengeCRUD

# Whoever sets up an app does it in one sitting.
_ENROLMENT = timedelta(days=1)


class TwoFactorData(PersonalData):
    name: ClassVar[str] = "two_factor"

    async def export(self, session: AsyncSession, user_id: UUID) -> JsonValue:
        device = await TotpDeviceCRUD(session).of(user_id)
        used = [code.used_at for code in await RecoveryCodeCRUD(session).of(user_id)]
        return {
            "enrolled_at": _text(device.created_at if device else None),
            "confirmed_at": _text(device.confirmed_at if device else None),
            "recovery_codes_used_at": [_text(at) for at in used if at is not None],
        }

    async def erase(self, session: AsyncSession, user_id: UUID) -> None:
        await TotpDeviceCRUD(session).remove(user_id)
        await RecoveryCodeCRUD(session).remove(user_id)


class TwoFactorPurge(Purge):
    """Challenges that have expired, and enrolments that were left halfway."""

    name: ClassVar[str] = "two_factor"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        enrolments = await TotpDeviceCRUD(session).purge(enrolled_before=now - _ENROLMENT)
        return enrolments + await UsedChallengeCRUD(session).purge(now)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
