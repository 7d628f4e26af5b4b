"""Tasks that have failed for good: in the database, whatever the broker."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.infrastructure.database.purge import Purge
from app.infrastructure.database.upsert import upsert

from .models import CODE_LENGTH, NAME_LENGTH, DeadLetter
from .settings import CelerySettings
from .tasks import TaskMessage


async def keep(
    session: AsyncSession, message: TaskMessage, *, error: str, code: str, attempts: int
) -> None:
    values = {
        "id": message.id,
        "name": message.name[:NAME_LENGTH],
        "message": message.model_dump(mode="json"),
        "error": error[:NAME_LENGTH],
        "code": code[:CODE_LENGTH],
        "attempts": attempts,
        "failed_at": datetime.now(UTC),
    }
    statement = upsert(session, DeadLetter.__table__).values(values)
    # One that was requeued and failed again, or was delivered twice.
    await session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


async def listed(session: AsyncSession) -> Sequence[DeadLetter]:
    """The oldest first."""
    found = await session.scalars(select(DeadLetter).order_by(DeadLetter.failed_at, DeadLetter.id))
    return found.all()


async def drop(session: AsyncSession, letter_id: UUID) -> bool:
    """Whether it was there."""
    return await affected(session, delete(DeadLetter).where(DeadLetter.id == letter_id)) == 1


class DeadLetterPurge(Purge):
    name: ClassVar[str] = "dead_letters"

    def __init__(self, settings: CelerySettings) -> None:
        self._kept = timedelta(days=settings.dead_letter_days)

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        old = delete(DeadLetter).where(DeadLetter.failed_at < now - self._kept)
        return await affected(session, old)
