import anyio
import pytest
from anyio.lowlevel import checkpoint

from app.infrastructure.database.database import Database
from app.infrastructure.database.errors import DatabaseBusyError
from app.infrastructure.database.measures import PoolMeasures
from app.infrastructure.database.settings import DatabaseSettings
from tests.support import shown

pytestmark = pytest.mark.anyio


class TestMeasures:
    async def test_show_both_pools(self, database_settings: DatabaseSettings) -> None:
        settings = database_settings.model_copy(
            update={"pool_size": 1, "max_overflow": 1, "pool_timeout_seconds": 0.05}
        )
        database = Database(settings)

        async def ask() -> None:
            with pytest.raises(DatabaseBusyError):
                await database.read_engine.connect().start()

        async with (
            anyio.create_task_group() as tasks,
            database.read_engine.connect(),
            database.read_engine.connect(),
        ):
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            during = shown(PoolMeasures(), database=database)
            # Until it has given up.
            while not shown(PoolMeasures(), database=database)[
                "db_client_connections_timeouts", "read"
            ]:
                await checkpoint()
        after = shown(PoolMeasures(), database=database)
        await database.aclose()

        names = ("usage", "usage", "max", "pending_requests", "timeouts")
        labels = (("used",), ("idle",), (), (), ())

        def read(numbers: dict[tuple[str, ...], float], pool: str) -> list[float]:
            return [
                numbers[f"db_client_connections_{name}", pool, *label]
                for name, label in zip(names, labels, strict=True)
            ]

        assert read(during, "read") == [2, 0, 2, 1, 0]
        assert read(during, "write") == [0, 0, 2, 0, 0]
        # The second one was more than the pool keeps.
        assert read(after, "read") == [0, 1, 2, 0, 1]
