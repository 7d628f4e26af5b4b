from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.affected import affected
from app.modules.common.crud import CRUD
from app.modules.common.listing import Listing, Rows

from .models import File, FileLeftover
from .schemas import FileRead

_table = File.__table__
_OF_OWNER = Listing(_table, FileRead, _table.c.owner_id == bindparam("owner_id"))


class FileCRUD(CRUD[File]):
    model = File

    async def get_owned(self, owner_id: UUID, file_id: UUID) -> File | None:
        statement = self.select().where(File.owner_id == owner_id, File.id == file_id)
        return await self.session.scalar(statement)

    async def page_of(self, owner_id: UUID, *, limit: int, offset: int) -> tuple[Rows, int]:
        values = {"owner_id": owner_id}
        return await _OF_OWNER.page(self.session, values, limit=limit, offset=offset)

    async def all_of(self, owner_id: UUID) -> Sequence[File]:
        statement = self.select().where(File.owner_id == owner_id).order_by(File.id)
        return (await self.session.scalars(statement)).all()

    async def usage_of(self, owner_id: UUID) -> tuple[int, int]:
        """How many files, and how many bytes in all."""
        statement = select(func.count(), func.coalesce(func.sum(File.size), 0)).where(
            File.owner_id == owner_id
        )
        count, size = (await self.session.execute(statement)).one()
        return count, int(size)

    async def remove(self, owner_id: UUID, file_id: UUID) -> str | None:
        """The key of what was deleted; of two at once one gets it."""
        statement = delete(File).where(File.owner_id == owner_id, File.id == file_id)
        return await self.session.scalar(statement.returning(File.key))

    async def remove_all(self, owner_id: UUID) -> Sequence[str]:
        statement = delete(File).where(File.owner_id == owner_id).returning(File.key)
        return (await self.session.scalars(statement)).all()

    async def known(self, keys: Collection[str]) -> set[str]:
        """Those that a file has, or that are noted as left over."""
        files = await self.session.scalars(select(File.key).where(File.key.in_(keys)))
        noted = select(FileLeftover.key).where(FileLeftover.key.in_(keys))
        return {*files, *await self.session.scalars(noted)}


async def note(session: AsyncSession, keys: Collection[str], remove_after: datetime) -> None:
    rows = [{"key": key, "remove_after": remove_after} for key in keys]
    if rows:
        await session.execute(insert(FileLeftover), rows)


async def retire(session: AsyncSession, key: str, now: datetime) -> bool:
    """Whether the object was to stay for longer; of two at once one wins."""
    statement = (
        update(FileLeftover)
        .where(FileLeftover.key == key, FileLeftover.remove_after > now)
        .values(remove_after=now)
    )
    return await affected(session, statement) == 1


async def forget(session: AsyncSession, keys: Collection[str]) -> int:
    return await affected(session, delete(FileLeftover).where(FileLeftover.key.in_(keys)))


async def due(session: AsyncSession, now: datetime, *, limit: int) -> Sequence[str]:
    statement = (
        select(FileLeftover.key)
        .where(FileLeftover.remove_after <= now)
        .order_by(FileLeftover.remove_after)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()
