"""The entry point reads the real environment, so each test imports it anew."""

import importlib
import logging
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.usefixtures("bare_environment", "restored_logging")


@pytest.fixture(autouse=True)
def _imported_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.main", raising=False)


class TestMain:
    def test_builds_the_application(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LOG_LEVEL", "error")
        main = importlib.import_module("app.main")

        assert isinstance(main.app, FastAPI)
        assert "/health/live" in main.app.openapi()["paths"]
        assert logging.getLogger().level == logging.ERROR

    def test_ends_the_process_with_what_is_wrong(
        self, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (bare_environment / ".env").write_text("PORT=hunter2\n")
        monkeypatch.setenv("LOG_LEVEL", "hunter2")
        with pytest.raises(SystemExit) as caught:
            importlib.import_module("app.main")

        # A text as the code: Python prints it to standard error and exits with 1.
        assert caught.value.code == (
            "The configuration is not valid:\n"
            "  PORT: Input should be a valid integer, unable to parse string as an integer\n"
            "  LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"
        )
