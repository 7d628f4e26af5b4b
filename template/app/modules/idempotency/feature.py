from app.core.feature import Feature

from .settings import IdempotencySettings


def feature(settings: IdempotencySettings) -> Feature:  # noqa: ARG001
    return Feature(name="idempotency")
