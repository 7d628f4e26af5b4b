from app.core.feature import Feature

from .settings import WebhookSettings


def feature(settings: WebhookSettings) -> Feature:  # noqa: ARG001
    return Feature(name="webhook")
