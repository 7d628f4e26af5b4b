from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.infrastructure.storage.settings import StorageSettings
from app.infrastructure.storage.storage import Storage
from app.modules.file.settings import FileSettings


@pytest.fixture
def folder(storage_settings: StorageSettings) -> Path:
    """Where the service keeps its files."""
    return storage_settings.folder


@pytest.fixture
def adjust_files(
    state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., FileSettings]:
    """Replaces settings of `FILE_*` for one test; those of the app's description stay."""

    def adjust(**changes: object) -> FileSettings:
        settings = FileSettings.model_validate(changes)
        monkeypatch.setitem(state, "file_settings", settings)
        return settings

    return adjust


@pytest.fixture
def keep_in(state: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Storage]:
    """Gives the service another storage for one test."""

    def keep(settings: StorageSettings) -> Storage:
        storage = Storage(settings)
        monkeypatch.setitem(state, "storage", storage)
        monkeypatch.setattr(state["file_leftovers"](), "storage", storage)
        return storage

    return keep


@pytest.fixture
def s3(keep_in: Callable[..., Storage], s3_settings: StorageSettings) -> Storage:
    """The service keeps its files in a bucket."""
    return keep_in(s3_settings)
