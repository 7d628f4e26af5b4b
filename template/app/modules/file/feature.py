from app.core.feature import Feature

from .settings import FileSettings


def feature(settings: FileSettings) -> Feature:  # noqa: ARG001
    return Feature(name="file")
