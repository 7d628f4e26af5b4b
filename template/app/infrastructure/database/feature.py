from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text

from app.core.extensions import Extensions
from app.core.feature import Feature, ReadinessCheck, State, commands_of
from app.core.operations import Operations
from app.core.settings import Environment

from .database import Database
from .measures import PoolMeasures
from .migrations import check_schema, upgrade
from .purge import Purge, PurgedElsewhere, purging
from .settings import DatabaseSettings


def feature(settings: DatabaseSettings, *, environment: Environment) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        database = Database(settings, Operations(state["extensions"]))
        try:
            if settings.is_embedded and environment is Environment.DEVELOPMENT:
                await upgrade(database)
            async with _purging(database, state["extensions"], settings.purge_interval_seconds):
                yield {"database": database}
        finally:
            await database.aclose()

    return Feature(
        name="database",
        lifespan=lifespan,
        extensions=(PoolMeasures(),),
        readiness=(ReadinessCheck(name="database", check=_Check()),),
        commands={"db": commands_of(__package__, settings)},
    )


@asynccontextmanager
async def _purging(
    database: Database, extensions: Extensions, interval_seconds: float
) -> AsyncGenerator[None]:
    is_ours = bool(interval_seconds and not extensions.of(PurgedElsewhere))
    if not is_ours or not extensions.of(Purge):
        yield
        return
    async with purging(database, extensions, interval_seconds):
        yield


class _Check:
    """The database answers, and its schema is the one the code expects."""

    def __init__(self) -> None:
        # The schema only moves forward while a process lives: once right, it stays right.
        self._schema_is_right = False

    async def __call__(self, state: State) -> None:
        database: Database = state["database"]
        if self._schema_is_right:
            async with database.reading() as session:
                await session.execute(text("SELECT 1"))
            return
        await check_schema(database)
        self._schema_is_right = True
