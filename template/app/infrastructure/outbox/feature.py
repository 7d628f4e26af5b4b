from app.core.feature import Feature

from .settings import OutboxSettings


def feature(settings: OutboxSettings) -> Feature:  # noqa: ARG001
    return Feature(name="outbox")
