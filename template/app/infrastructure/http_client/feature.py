from app.core.feature import Feature

from .settings import HttpClientSettings


def feature(settings: HttpClientSettings) -> Feature:  # noqa: ARG001
    return Feature(name="http_client")
