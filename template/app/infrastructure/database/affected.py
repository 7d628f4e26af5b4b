from typing import cast

from sqlalchemy import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import Delete, Update


async def affected(session: AsyncSession, statement: Update | Delete) -> int:
    """How many rows an UPDATE or a DELETE has changed."""
    return cast("CursorResult[object]", await session.execute(statement)).rowcount
