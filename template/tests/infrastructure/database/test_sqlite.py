"""The embedded database, opened by several at once."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.infrastructure.database.engine import open_engine
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
