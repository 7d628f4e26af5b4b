"""What keys are used for, written down off the path of the requests."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from app.core.errors import UnavailableError
from app.infrastructure.database.database import Database

from .models import KeyTouch, KeyUse
from .settings import ApiKeySettings

logger = structlog.get_logger()

# One transaction of some milliseconds, on a connection that requests could use as well.
_BATCH = 500
# About 5 MB for each of the two; at 1000 requests a second ten seconds without a database.
_MOST = 10_000
# Platforms wait 30 seconds for a process to end, and the requests may have taken 25 of them.
_SHUTDOWN_SECONDS = 4


class UsageLog:
    """Keeps what happened in memory and stores it every few seconds.

    Noting never waits and never fails: what does not fit is dropped and counted. A crash loses what
    is not stored yet; an orderly end of the process does not.
    """

    def __init__(self, database: Database, settings: ApiKeySettings) -> None:
        self._database = database
        self._settings = settings
        self._touches: dict[UUID, KeyTouch] = {}
        self._uses: deque[KeyUse] = deque()
        self._dropped = 0
        self._wake = asyncio.Event()
        self._is_ending = False

    def touch(self, key_id: UUID, touch: KeyTouch) -> None:
        """The key was accepted."""
        if key_id in self._touches or len(self._touches) < _MOST:
            self._touches[key_id] = touch

    def note(self, use: KeyUse) -> None:
        """A request with a key was answered."""
        if len(self._uses) >= _MOST:
            self._dropped += 1
            return
        self._uses.append(use)
        if len(self._uses) >= _BATCH:
            self._wake.set()

    async def flush(self) -> None:
        """Store everything; one call at a time. A database out of reach leaves it for later."""
        while self._uses or self._touches:
            uses = [self._uses.popleft() for _ in range(min(len(self._uses), _BATCH))]
            touches, self._touches = self._touches, {}
            from .crud import store_uses  # noqa: PLC0415 (late: most processes start without a key)

            try:
                async with self._database.transaction() as session:
                    await store_uses(
                        session, touches, uses, has_records=self._settings.usage_days > 0
                    )
            except UnavailableError as exc:
                self._uses.extendleft(reversed(uses))
                self._touches = touches | self._touches
                logger.warning("usage waits for the database", code=exc.code, uses=len(self._uses))
                return
            except Exception:
                # What cannot be stored now never can be, and would be in the way of the rest.
                logger.exception("usage lost", uses=len(uses))
        if self._dropped:
            logger.warning("usage dropped: more than fits into memory", uses=self._dropped)
            self._dropped = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Store regularly, and at the end what is left."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._is_ending = True
            self._wake.set()
            # Not cancelled at once: a commit on its way would be done again.
            try:
                await asyncio.wait_for(task, _SHUTDOWN_SECONDS)
            except TimeoutError:
                logger.warning("usage lost: the database did not answer before the end")

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.flush_interval_seconds)
            self._wake.clear()
            # Asked first: what came before the end was noted has to be stored as well.
            is_ending = self._is_ending
            await self.flush()
            if is_ending:
                return
