import asyncio
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.core.operations import Operations
from app.infrastructure.http.time_limit import uninterrupted

from .after_commit import run_after_commit, run_after_rollback
from .engine import open_engine
from .observing import tell_of_statements
from .settings import DatabaseSettings


class Database:
    """The two engines of a process and the sessions on them."""

    def __init__(self, settings: DatabaseSettings, operations: Operations | None = None) -> None:
        self.write_engine = open_engine(settings, "write")
        self.read_engine = open_engine(settings, "read")
        if operations:
            for engine in (self.write_engine, self.read_engine):
                tell_of_statements(engine, operations)
        self.write_sessions = async_sessionmaker(self.write_engine, expire_on_commit=False)
        self.read_sessions = async_sessionmaker(
            self.read_engine, expire_on_commit=False, autoflush=False
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """One unit of work: committed at the end, rolled back by an exception.

        A connection is taken at the first statement. What was registered with `after_commit` runs
        once the commit has succeeded, and what was with `after_rollback` once it is undone.
        """
        unit, ends = self.write_sessions.begin(), False
        with ExitStack() as ending:
            try:
                async with unit as session:
                    yield session
                    # From here on it may have happened, whatever we would answer.
                    ends = True
                    ending.enter_context(uninterrupted())
            except Exception:
                await run_after_rollback(unit.async_session)
                raise
            except asyncio.CancelledError:
                if not ends:
                    await run_after_rollback(unit.async_session)
                # A commit that was under way may have succeeded.
                raise
            await run_after_commit(session)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncSession]:
        """A session for queries alone: each sees the newest data, nothing is locked or written."""
        session = self.read_sessions()
        try:
            yield session
        finally:
            # Not where nothing was read, as with a cache. `async with` would close it in a task of
            # its own, to guard a pending rollback; there is none here.
            if session.in_transaction():
                await session.close()

    async def aclose(self) -> None:
        await self.write_engine.dispose()
        await self.read_engine.dispose()
