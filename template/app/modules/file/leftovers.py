from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.database import Database
from app.infrastructure.database.purge import Purge
from app.infrastructure.storage.errors import StorageUnreachableError
from app.infrastructure.storage.storage import Storage

from . import crud

logger = structlog.get_logger()

# Longer than any upload takes.
GRACE = timedelta(days=1)
# In one transaction of the purge; the next one goes on.
_BATCH = 1000


class Leftovers:
    """Objects in the storage that no file has, or has any more."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self.database = database
        self.storage = storage

    async def expect(self, key: str, *, lifetime: timedelta = GRACE) -> None:
        """Note an object that is about to be stored, in a transaction of its own."""
        async with self.database.transaction() as session:
            await crud.note(session, [key], datetime.now(UTC) + lifetime)

    async def remove(self, keys: Collection[str]) -> None:
        """Now; or, while the storage is out of reach, when it is purged next."""
        try:
            await self.storage.delete(keys)
        except StorageUnreachableError as exc:
            logger.warning("files left over", count=len(keys), error=exc.detail)
            return
        async with self.database.transaction() as session:
            await crud.forget(session, keys)

    def remove_after_commit(self, session: AsyncSession, keys: Collection[str]) -> None:
        async def remove() -> None:
            await self.remove(keys)

        if keys:
            after_commit(session, remove)

    async def give_up(self, session: AsyncSession, keys: Collection[str]) -> None:
        """The transaction takes their files away; the objects follow when it is committed."""
        await crud.note(session, keys, datetime.now(UTC))
        self.remove_after_commit(session, keys)


class LeftoversPurge(Purge):
    name: ClassVar[str] = "file_leftovers"

    def __init__(self, leftovers: Callable[[], Leftovers]) -> None:
        self._leftovers = leftovers

    async def purge(self, session: AsyncSession, now: datetime) -> int:
        keys = await crud.due(session, now, limit=_BATCH)
        if not keys:
            return 0
        try:
            await self._leftovers().storage.delete(keys)
        except StorageUnreachableError as exc:
            # The other kinds have their turn all the same.
            logger.warning("files left over", count=len(keys), error=exc.detail)
            return 0
        return await crud.forget(session, keys)
