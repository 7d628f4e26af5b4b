from app.core.feature import Feature

from .settings import CacheSettings


def feature(settings: CacheSettings) -> Feature:  # noqa: ARG001
    return Feature(name="cache")
