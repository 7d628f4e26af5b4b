"""What was opened with a login ends with it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import and_
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.infrastructure.timing.waiting import happens_within
from app.modules.user.models import ACTIVE_USER, CurrentUser, User

from .models import LoginSession

logger = structlog.get_logger()

# Of one query.
_BATCH = 500


class Account(NamedTuple):
    user: CurrentUser
    session_ids: set[UUID | None]

    def has(self, session_id: UUID | None) -> bool:
        """None: of a credential that belongs to no login session, so the account is what counts."""
        return session_id is None or session_id in self.session_ids


class Watched(ABC):
    """Keeps something open for those who are logged in."""

    @property
    @abstractmethod
    def users(self) -> Collection[UUID]:
        """For whom there is something open in this process."""

    @abstractmethod
    async def check(self, user_id: UUID, account: Account | None, *, is_marked: bool) -> None:
        """End what has no login any more. `account` is None where it may not be used.

        `is_marked`: somebody has asked for it; otherwise it is one of the checks now and then.
        """

    @abstractmethod
    async def review(self, user_id: UUID | None) -> None:
        """Mark the account in every process; None: all of them."""


class LoginWatch:
    """Looks at the logins of all accounts now and then, and of one when it is marked.

    One query for many of them; nothing that is open holds a part of the database.
    """

    def __init__(self, database: Database, *, recheck_seconds: float) -> None:
        self._database = database
        self._recheck_seconds = recheck_seconds
        self._marked: set[UUID | None] = set()
        self._is_due = asyncio.Event()
        self._is_stopped = False

    def mark(self, user_id: UUID | None) -> None:
        """To be looked at soon; None: all of them."""
        self._marked.add(user_id)
        self._is_due.set()

    @asynccontextmanager
    async def running(self, watched: Watched) -> AsyncGenerator[None]:
        task = asyncio.create_task(self._run(watched))
        try:
            yield
        finally:
            # After the check that is under way: a query is no good place to stop.
            self._is_stopped = True
            self._is_due.set()
            await task

    async def take(self) -> set[UUID | None]:
        """Those that are marked, as soon as there is one; none when the time has come for all."""
        await happens_within(self._is_due, self._recheck_seconds)
        self._is_due.clear()
        marked, self._marked = self._marked, set()
        return marked

    async def _run(self, watched: Watched) -> None:
        while True:
            marked = await self.take()
            if self._is_stopped:
                return
            try:
                await self._check(watched, marked)
            except Exception:
                # Most likely the database is out of reach. What is open stays, as all clients would
                # only come back and be told so; its lifetime bounds it.
                logger.exception("logins were not checked", of=type(watched).__name__)

    async def _check(self, watched: Watched, marked: set[UUID | None]) -> None:
        everybody = not marked or None in marked
        users = list(watched.users) if everybody else [it for it in marked if it is not None]
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            async with self._database.reading() as session:
                accounts = await _active_accounts(session, batch, datetime.now(UTC))
            for user_id in batch:
                await watched.check(user_id, accounts.get(user_id), is_marked=bool(marked))


class LoginEvents(SecurityEventListener):
    """Has an account looked at after whatever happens to it; one for each `Watched`."""

    def __init__(self) -> None:
        self._watched: Watched | None = None

    def open(self, watched: Watched) -> None:
        self._watched = watched

    def close(self) -> None:
        self._watched = None

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if self._watched is not None and event.concerns_accounts:
            after_commit(session, partial(self._watched.review, event.target_id))


async def _active_accounts(
    session: AsyncSession, user_ids: Iterable[UUID], now: datetime
) -> Mapping[UUID, Account]:
    """Those that may be used, each with its live login sessions."""
    live = and_(
        LoginSession.user_id == User.id,
        LoginSession.revoked_at.is_(None),
        LoginSession.expires_at > now,
    )
    statement = (
        ACTIVE_USER.add_columns(LoginSession.id)
        .outerjoin(LoginSession, live)
        .where(User.id.in_(user_ids))
    )
    accounts: dict[UUID, Account] = {}
    for *fields, session_id in await session.execute(statement):
        user = CurrentUser(*fields)
        accounts.setdefault(user.id, Account(user, set())).session_ids.add(session_id)
    return accounts
