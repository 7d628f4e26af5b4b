"""What was done for which event: a stream may deliver one twice."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.infrastructure.database.purge import Purge
from app.infrastructure.database.upsert import upsert

from .event import Envelope
from .models import EventReceipt
from .settings import EventsSettings


async def is_done(session: AsyncSession, handler: str, envelope: Envelope) -> bool:
    known = select(EventReceipt.at).where(
        EventReceipt.handler == handler,
        EventReceipt.source == envelope.source,
        EventReceipt.event_id == envelope.id,
    )
    return await session.scalar(known) is not None


async def note(session: AsyncSession, handler: str, envelope: Envelope) -> bool:
    """Whether this transaction is the first; one that runs at the same moment waits for it."""
    values = {
        "handler": handler,
        "source": envelope.source,
        "event_id": envelope.id,
        "at": datetime.now(UTC),
    }
    statement = upsert(session, EventReceipt.__table__).values(values).on_conflict_do_nothing()
    return await affected(session, statement) == 1


class ReceiptPurge(Purge):
    name: ClassVar[str] = "event_receipts"

    def __init__(self, settings: EventsSettings) -> None:
        self._kept = timedelta(days=settings.receipt_days)

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        old = delete(EventReceipt).where(EventReceipt.at < now - self._kept)
        return await affected(session, old)
