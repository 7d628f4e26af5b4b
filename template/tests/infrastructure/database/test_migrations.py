"""The migrations and the models agree, on the database the tests run on."""

import asyncio
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from app.infrastructure.database.database import Database
from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.migrations import SchemaBehindError, check_schema
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

        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

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


def be_migrated_further(config: Config) -> None:
    """By a version that this one does not know."""
    command.upgrade(config, "head")
    connection: Connection = config.attributes["connection"]
    connection.execute(text("DELETE FROM alembic_version"))
    connection.execute(text("INSERT INTO alembic_version VALUES ('made_later')"))


def test_what_a_newer_version_made_is_left_alone(
    run: Callable[[Step], list[str]], migrations: list[str]
) -> None:
    if not migrations:
        pytest.skip("there is nothing to upgrade to")
    tables = run(be_migrated_further)

    assert run(lambda config: command.upgrade(config, "head")) == tables

    # Where to it would go from there, nobody knows.
    with pytest.raises(CommandError, match="made_later"):
        run(lambda config: command.downgrade(config, "base"))


class TestCheck:
    @staticmethod
    async def check(settings: DatabaseSettings) -> None:
        database = Database(settings)
        try:
            await check_schema(database)
        finally:
            await database.aclose()

    def test_missing_migrations_are_told(
        self,
        run: Callable[[Step], list[str]],
        fresh_database_settings: DatabaseSettings,
        migrations: list[str],
    ) -> None:
        if not migrations:
            pytest.skip("none can be missing")
        with pytest.raises(SchemaBehindError):
            asyncio.run(self.check(fresh_database_settings))

        run(lambda config: command.upgrade(config, "head"))
        asyncio.run(self.check(fresh_database_settings))

        run(lambda config: command.downgrade(config, "-1"))
        with pytest.raises(SchemaBehindError):
            asyncio.run(self.check(fresh_database_settings))

    def test_a_newer_version_may_have_migrated(
        self, run: Callable[[Step], list[str]], fresh_database_settings: DatabaseSettings
    ) -> None:
        run(be_migrated_further)

        asyncio.run(self.check(fresh_database_settings))
