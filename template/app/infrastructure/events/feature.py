from app.core.feature import Feature

from .settings import EventsSettings


def feature(settings: EventsSettings) -> Feature:  # noqa: ARG001
    return Feature(name="events")
