"""The embedded database, opened by several at once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.infrastructure.database.engine import open_engine
from app.infrastructure.database.errors import DatabaseLockedError
from app.infrastructure.database.settings import DatabaseSettings

pytestmark = pytest.mark.anyio


def at(path: Path) -> DatabaseSettings:
    return DatabaseSettings(url=SecretStr(f"sqlite:///{path}"))


class TestNewFile:
    async def test_opens_while_another_connection_prepares_it(self, tmp_path: Path) -> None:
        engine = open_engine(at(tmp_path / "new.db"), "read")

        with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with engine.connect() as connection:
                assert await connection.scalar(text("SELECT 1")) == 1
        await engine.dispose()

        async with engine.connect() as connection:
            assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        await engine.dispose()


class TestLock:
    async def test_that_lasts_too_long_is_no_defect(self, tmp_path: Path) -> None:
        engine = open_engine(at(tmp_path / "new.db"), "read")
        async with engine.connect() as connection:
            # Instead of the ten seconds.
            await connection.execute(text("PRAGMA busy_timeout = 0"))
            with closing(sqlite3.connect(tmp_path / "new.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(DatabaseLockedError):
                    await connection.execute(text("CREATE TABLE late (id INTEGER)"))
        await engine.dispose()
