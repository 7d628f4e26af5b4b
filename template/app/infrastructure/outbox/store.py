"""The messages that wait for the broker."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.celery.tasks import TaskMessage
from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert

from .models import ERROR_LENGTH, OutboxMessage


@dataclass(frozen=True, slots=True)
class Backlog:
    waiting: int
    oldest: timedelta | None
    """How long the oldest message has waited."""


async def store(session: AsyncSession, message: TaskMessage) -> None:
    now = datetime.now(UTC)
    values = {
        "id": message.id,
        "message": message.model_dump(mode="json"),
        "stored_at": now,
        "due_at": now,
        "attempts": 0,
    }
    statement = upsert(session, OutboxMessage.__table__).values(values)
    # Of one id one task is done, however often it is sent.
    await session.execute(statement.on_conflict_do_nothing())


async def claim(
    session: AsyncSession, now: datetime, *, until: datetime, limit: int
) -> Sequence[OutboxMessage]:
    """Messages that nobody else sends until then, the oldest first of those not yet refused."""
    due = (
        select(OutboxMessage)
        .where(OutboxMessage.due_at <= now)
        # One that was refused comes last: it may be its own fault, and must not hold up the others.
        .order_by(OutboxMessage.attempts, OutboxMessage.stored_at, OutboxMessage.id)
        .limit(limit)
        # On SQLite one transaction writes at a time anyway.
        .with_for_update(skip_locked=True)
    )
    found = (await session.scalars(due)).all()
    if found:
        await _postpone(session, [row.id for row in found], due_at=until)
    return found


async def release(session: AsyncSession, ids: Collection[UUID], now: datetime) -> None:
    """Leave messages that were not tried to whoever comes next."""
    await _postpone(session, ids, due_at=now)


async def refuse(session: AsyncSession, row: OutboxMessage, error: str, due_at: datetime) -> None:
    values = {"attempts": row.attempts + 1, "error": error[:ERROR_LENGTH]}
    await _postpone(session, [row.id], due_at=due_at, **values)


async def remove(session: AsyncSession, ids: Collection[UUID]) -> int:
    """How many were there."""
    return await affected(session, delete(OutboxMessage).where(OutboxMessage.id.in_(ids)))


async def waiting_since(session: AsyncSession) -> datetime | None:
    """When the oldest message was stored."""
    return await session.scalar(select(func.min(OutboxMessage.stored_at)))


async def backlog(session: AsyncSession, now: datetime) -> Backlog:
    counted = select(func.count(), func.min(OutboxMessage.stored_at)).select_from(OutboxMessage)
    count, since = (await session.execute(counted)).one()
    return Backlog(count, None if since is None else now - since)


async def refused(session: AsyncSession, *, limit: int) -> Sequence[OutboxMessage]:
    """Those that could not be sent at least once, the oldest first."""
    statement = (
        select(OutboxMessage)
        .where(OutboxMessage.attempts > 0)
        .order_by(OutboxMessage.stored_at, OutboxMessage.id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def _postpone(session: AsyncSession, ids: Collection[UUID], **values: object) -> None:
    statement = update(OutboxMessage).where(OutboxMessage.id.in_(ids)).values(**values)
    await session.execute(statement, execution_options={"synchronize_session": False})
