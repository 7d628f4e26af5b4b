from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import delete, text

from app.infrastructure.celery.models import TaskExecution
from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.outbox.models import OutboxMessage


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncGenerator[Database]:
    """Another process's; what is left in the outbox is cleared away."""
    database = Database(database_settings)
    yield database
    async with database.transaction() as session:
        for table in (OutboxMessage, TaskExecution):
            await session.execute(delete(table))
    await database.aclose()


@pytest.fixture(scope="module")
async def kettle_settings(database_settings: DatabaseSettings) -> AsyncGenerator[DatabaseSettings]:
    """A database in which tasks can leave what they did."""
    database = Database(database_settings)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE kettle (cup VARCHAR(99), attempt INTEGER)"))
    yield database_settings
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE kettle"))
    await database.aclose()
