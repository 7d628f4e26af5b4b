from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def allow_long_statements(session: AsyncSession) -> None:
    """Let each statement take as long as it takes, until the transaction ends.

    For work beside the requests, with many rows.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SET LOCAL statement_timeout = 0"))
