from app.core.feature import Feature

from .settings import SessionSettings


def feature(settings: SessionSettings) -> Feature:  # noqa: ARG001
    return Feature(name="cookie_session")
