"""The migrations and the models agree, on the database the tests run on."""

import asyncio
from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.settings import DatabaseSettings

Step = Callable[[Config], object]


@pytest.fixture
def run(fresh_database_settings: DatabaseSettings) -> Callable[[Step], list[str]]:
    """Runs a step of Alembic's on an empty database, and tells which tables there are then."""

    async def on_database(step: Step) -> list[str]:
        engine = open_engine(fresh_database_settings, "write")

        def work(connection: Connection) -> list[str]:
            config = Config("alembic.ini", attributes={"connection": connection})
            step(config)
            return sorted(inspect(connection).get_table_names())

        async with engine.begin() as connection:
            tables = await connection.run_sync(work)
        await engine.dispose()
        return tables

    return lambda step: asyncio.run(on_database(step))


def test_upgrade_and_downgrade(run: Callable[[Step], list[str]]) -> None:
    up = run(lambda config: command.upgrade(config, "head"))
    down = run(lambda config: command.downgrade(config, "base"))

    assert "alembic_version" in up
    assert set(down) <= {"alembic_version"}
    assert run(lambda config: command.upgrade(config, "head")) == up


def test_the_models_are_what_the_migrations_build(run: Callable[[Step], list[str]]) -> None:
    run(lambda config: command.upgrade(config, "head"))

    run(command.check)
