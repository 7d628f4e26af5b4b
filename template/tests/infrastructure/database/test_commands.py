import sqlite3
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from app.infrastructure.database.commands import build_commands
from app.infrastructure.database.settings import DatabaseSettings


def test_compares_the_budget_with_the_server(database_settings: DatabaseSettings) -> None:
    few = CliRunner().invoke(build_commands(database_settings), ["connections"])
    many = CliRunner().invoke(
        build_commands(database_settings), ["connections", "--workers", "1000"]
    )

    if database_settings.is_embedded:
        assert few.output == "SQLite has no limit on connections.\n"
        return
    assert few.exit_code == 0
    assert few.output.startswith("1 worker(s) x (10 + 0) x 2 engines = 20 connections;")
    assert many.exit_code == 1
    assert "Too many: lower DATABASE_POOL_SIZE" in many.output


def test_makes_the_newest_schema(
    tmp_path: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path}/new.db"
    monkeypatch.setenv("DATABASE_URL", address)
    settings = DatabaseSettings(url=SecretStr(address))

    result = CliRunner().invoke(build_commands(settings), ["upgrade"])

    assert result.exit_code == 0, result.exception
    with sqlite3.connect(f"{bare_environment}/new.db") as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
