from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.infrastructure.database.database import Database
from app.infrastructure.database.settings import DatabaseSettings
from app.infrastructure.events.settings import EventsSettings
from app.infrastructure.redis.settings import RedisSettings

from .kettle import Service, serving_tea

Serve = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture(scope="package")
async def with_teapot(database_settings: DatabaseSettings) -> AsyncGenerator[Database]:
    """A table in which handlers leave what they did."""
    database = Database(database_settings)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE teapot (cup VARCHAR(99), attempt INTEGER)"))
    yield database
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE teapot"))
    await database.aclose()


@pytest.fixture
async def teapot(with_teapot: Database) -> AsyncGenerator[Database]:
    """Commits are real, and cleared away after."""
    yield with_teapot
    async with with_teapot.transaction() as session:
        for table in ("teapot", "event_receipt"):
            await session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 (two names)


@pytest.fixture
def serve(
    teapot: Database,  # noqa: ARG001 (cleared after the test)
    database_settings: DatabaseSettings,
    tmp_path: Path,
) -> Serve:
    """A service with some handlers; without Redis unless it is given one."""

    def serve(
        *extensions: object,
        redis: RedisSettings | None = None,
        **options: Any,  # noqa: ANN401
    ) -> AbstractAsyncContextManager[Service]:
        settings = EventsSettings(
            **{"retry_wait_seconds": 0.01, "heartbeat_folder": tmp_path, **options}
        )
        general = redis or RedisSettings()
        return serving_tea(database_settings, general, settings, *extensions)

    return serve
