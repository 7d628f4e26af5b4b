from app.core.feature import Feature

from .settings import PageSettings


def feature(settings: PageSettings) -> Feature:  # noqa: ARG001
    return Feature(name="page")
