"""The migrations and the models agree, on the database the tests run on."""

import asyncio
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect, text

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


def test_tables_are_dropped_before_those_they_refer_to(
    run: Callable[[Step], list[str]], tmp_path: Path
) -> None:
    names = [f"left_over_{letter}" for letter in "cfaedb"]

    def create(config: Config) -> None:
        connection: Connection = config.attributes["connection"]
        connection.execute(text(f"CREATE TABLE {names[0]} (id INTEGER PRIMARY KEY)"))
        for parent, name in pairwise(names):
            column = f"id INTEGER PRIMARY KEY REFERENCES {parent}"
            connection.execute(text(f"CREATE TABLE {name} ({column})"))

    def remove(config: Config) -> None:
        config.set_main_option("version_locations", f"{tmp_path}:migrations/versions")
        config.set_main_option("path_separator", ":")
        command.revision(config, autogenerate=True, version_path=str(tmp_path))
        command.upgrade(config, "head")

    before = run(lambda config: command.upgrade(config, "head"))
    assert set(run(create)) == {*before, *names}

    assert run(remove) == before

    [script] = tmp_path.glob("*.py")
    upgrade, downgrade = script.read_text().split("def downgrade")
    assert re.findall(r'drop_table\("(\w+)"', upgrade) == names[::-1]
    assert re.findall(r'create_table\(\s*"(\w+)"', downgrade) == names
