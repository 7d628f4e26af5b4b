import anyio
import pytest
from sqlalchemy import text

from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import DatabaseBusyError
from app.infrastructure.database.settings import DatabaseSettings

pytestmark = pytest.mark.anyio


class TestPool:
    async def test_a_request_gives_up_in_time(self, database_settings: DatabaseSettings) -> None:
        settings = database_settings.model_copy(
            update={"pool_size": 1, "max_overflow": 0, "pool_timeout_seconds": 0.05}
        )
        database = Database(settings)
        async with database.read_engine.connect():
            with pytest.raises(DatabaseBusyError):
                await database.read_engine.connect().start()
        async with database.reading() as session:
            assert await session.scalar(text("SELECT 1")) == 1
        await database.aclose()

    async def test_requests_are_served_in_order(self, database_settings: DatabaseSettings) -> None:
        settings = database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0})
        database = Database(settings)
        served = []

        async def read(number: int) -> None:
            for _ in range(2):
                async with database.reading() as session:
                    await session.scalar(text("SELECT 1"))
                served.append(number)

        async with anyio.create_task_group() as tasks, database.read_engine.connect():
            for number in range(3):
                tasks.start_soon(read, number)
                await anyio.wait_all_tasks_blocked()

        assert served == [0, 1, 2, 0, 1, 2]
        await database.aclose()

    async def test_a_session_takes_its_connection_late(
        self, database_settings: DatabaseSettings
    ) -> None:
        settings = database_settings.model_copy(update={"pool_size": 1, "max_overflow": 0})
        database = Database(settings)
        async with database.transaction(), database.transaction() as second:
            assert await second.scalar(text("SELECT 1")) == 1
        await database.aclose()
