"""A stream ends with the login that opened it."""

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener

from .crud import live_logins
from .service import NoticeStreams

logger = structlog.get_logger()

# Of one query.
_BATCH = 500


class LoginWatch:
    """Looks at the logins of all streams now and then, and of one account when told to.

    One query for many of them; no stream holds a part of the database.
    """

    def __init__(self, streams: NoticeStreams, database: Database) -> None:
        self._streams = streams
        self._database = database
        self._is_stopped = False

    def stop(self) -> None:
        """After the check that is under way: a query is no good place to stop."""
        self._is_stopped = True
        self._streams.reviews.add(None)

    async def run(self) -> None:
        while True:
            marked = await self._streams.reviews.take(self._streams.settings.recheck_seconds)
            if self._is_stopped:
                return
            try:
                await self._check(marked)
            except Exception:
                # Most likely the database is out of reach. The streams stay, as all their clients
                # would only come back and be told so; their lifetime bounds it.
                logger.exception("the logins of streams were not checked")

    async def _check(self, marked: set[UUID | None]) -> None:
        """Those of the accounts that are marked; if none is, of all."""
        everybody = not marked or None in marked
        users = list(self._streams.users) if everybody else [it for it in marked if it is not None]
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            async with self._database.reading() as session:
                logins = await live_logins(session, batch, datetime.now(UTC))
            for user_id in batch:
                live = logins.get(user_id, set())
                for stream in self._streams.streams_of(user_id):
                    if stream.caller.session_id not in live:
                        stream.end()


class LoginEvents(SecurityEventListener):
    """Has the streams of an account looked at after whatever happens to it."""

    def __init__(self) -> None:
        self._streams: NoticeStreams | None = None

    def open(self, streams: NoticeStreams) -> None:
        self._streams = streams

    def close(self) -> None:
        self._streams = None

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        # Others without an account are about strangers.
        is_about_us = event.target_id is not None or event.name == "all_sessions_ended"
        if self._streams is not None and is_about_us:
            after_commit(session, partial(self._streams.review, event.target_id))
