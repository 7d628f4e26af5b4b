from app.core.feature import Feature

from .settings import CelerySettings


def feature(settings: CelerySettings) -> Feature:  # noqa: ARG001
    return Feature(name="celery")
