from app.core.feature import Feature

from .settings import OAuthSettings


def feature(settings: OAuthSettings) -> Feature:  # noqa: ARG001
    return Feature(name="oauth")
