from datetime import datetime, timedelta

from sqlalchemy import case, delete, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.infrastructure.database.upsert import upsert

from .models import AttemptCount

_attempts = AttemptCount.__table__.c


async def count(
    session: AsyncSession, key: str, *, now: datetime, window: timedelta
) -> tuple[int, datetime]:
    """Count one more and return how many they are now, and when the window ends."""
    is_over = _attempts.window_ends_at <= now
    statement = upsert(session, AttemptCount.__table__).values(
        key=key, count=1, window_ends_at=now + window
    )
    statement = statement.on_conflict_do_update(
        index_elements=[_attempts.key],
        set_={
            "count": case((is_over, 1), else_=_attempts.count + 1),
            "window_ends_at": case(
                (is_over, statement.excluded.window_ends_at), else_=_attempts.window_ends_at
            ),
        },
    ).returning(_attempts.count, _attempts.window_ends_at)
    row = (await session.execute(statement)).one()
    return row[0], row[1]


async def uncount(session: AsyncSession, key: str) -> None:
    await session.execute(
        update(AttemptCount)
        .where(_attempts.key == key, _attempts.count > 0)
        .values(count=_attempts.count - 1)
    )


async def forget(session: AsyncSession, key: str) -> bool:
    """Whether there was something to forget."""
    return await affected(session, delete(AttemptCount).where(_attempts.key == key)) > 0


async def forget_ended(session: AsyncSession, now: datetime) -> int:
    return await affected(session, delete(AttemptCount).where(_attempts.window_ends_at <= now))
