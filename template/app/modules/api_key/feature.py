from app.core.feature import Feature

from .settings import ApiKeySettings


def feature(settings: ApiKeySettings) -> Feature:  # noqa: ARG001
    return Feature(name="api_key")
