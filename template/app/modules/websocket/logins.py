"""A connection ends with the login that opened it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener

from .connection import LOGIN_OVER
from .crud import active_accounts
from .service import Rooms

logger = structlog.get_logger()

# Of one query.
_BATCH = 500


class LoginWatch:
    """Looks at the logins of all connections now and then, and of one account when told to.

    One query for many of them; no connection holds a part of the database.
    """

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._is_stopped = False

    def stop(self) -> None:
        """After the check that is under way: a query is no good place to stop."""
        self._is_stopped = True
        self._rooms.to_review.put_nowait(None)

    async def run(self) -> None:
        while True:
            marked: set[UUID | None] = set()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._rooms.settings.recheck_seconds):
                    marked.add(await self._rooms.to_review.get())
            while not self._rooms.to_review.empty():
                marked.add(self._rooms.to_review.get_nowait())
            if self._is_stopped:
                return
            try:
                await self._check(marked)
            except Exception:
                # Most likely the database is out of reach. The connections stay, as all their
                # clients would only come back and be told so; their lifetime bounds it.
                logger.exception("the logins of connections were not checked")

    async def _check(self, marked: set[UUID | None]) -> None:
        """Those of the accounts that are marked, with their memberships; if none is, of all."""
        everybody = not marked or None in marked
        users = list(self._rooms.users) if everybody else [it for it in marked if it is not None]
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            now = datetime.now(UTC)
            async with self._rooms.database.reading() as session:
                accounts = await active_accounts(session, batch, now)
            for user_id in batch:
                for connection in self._rooms.connections_of(user_id):
                    caller, account = connection.caller, accounts.get(user_id)
                    if account is None or not account.has(caller.session_id):
                        connection.end(LOGIN_OVER)
                        continue
                    # Rooms decide by what the account is now.
                    connection.caller = replace(caller, user=account.user)
                    if marked:
                        await self._rooms.review_memberships(connection)


class LoginEvents(SecurityEventListener):
    """Has the connections of an account looked at after whatever happens to it."""

    def __init__(self) -> None:
        self._rooms: Rooms | None = None

    def open(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def close(self) -> None:
        self._rooms = None

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if self._rooms is not None and event.concerns_accounts:
            after_commit(session, partial(self._rooms.review, event.target_id))
