from app.core.feature import Feature

from .settings import StorageSettings


def feature(settings: StorageSettings) -> Feature:  # noqa: ARG001
    return Feature(name="storage")
