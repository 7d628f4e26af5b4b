from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEvents

from . import crud
from .errors import TooManyAttemptsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so many attempts in a window, which begins with the first of them."""

    name: str
    most: int
    window_seconds: int
    event: str = "rate_limit_exceeded"
    """The security event of the attempt that goes over it."""


class Throttle:
    """Counts attempts in short transactions of its own: a refusal rolls back that of the request.

    An attempt is counted before it is made, so that many at the same moment cannot all pass.
    """

    def __init__(self, database: Database, events: SecurityEvents) -> None:
        self.database = database
        self.events = events

    async def take(self, limit: Limit, subject: str, target_id: UUID | None = None) -> None:
        """Count an attempt on `subject`: an account, a network address.

        Raises `TooManyAttemptsError` until the window ends. `target_id` is the account that the
        event is about.
        """
        now = datetime.now(UTC)
        async with self.database.transaction() as session:
            count, ends_at = await crud.count(
                session,
                _key(limit, subject),
                now=now,
                window=timedelta(seconds=limit.window_seconds),
            )
            if count == limit.most + 1:
                await self.events.record(
                    session, limit.event, target_id, is_warning=True, limit=limit.name
                )
        if count > limit.most:
            raise TooManyAttemptsError(max(1, round((ends_at - now).total_seconds())))

    async def give_back(self, limit: Limit, subject: str) -> None:
        """Uncount an attempt that turned out to be a good one."""
        async with self.database.transaction() as session:
            await crud.uncount(session, _key(limit, subject))


async def forget_attempts(session: AsyncSession, limit: Limit, subject: str) -> bool:
    """Start again from none, in the caller's transaction; whether there were any."""
    return await crud.forget(session, _key(limit, subject))


class AttemptsPurge(Purge):
    name: ClassVar[str] = "attempts"

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        return await crud.forget_ended(session, now)


def _key(limit: Limit, subject: str) -> str:
    return f"{limit.name}:{sha256(subject.encode()).hexdigest()}"
