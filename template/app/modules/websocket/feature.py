from app.core.feature import Feature

from .settings import WebsocketSettings


def feature(settings: WebsocketSettings) -> Feature:  # noqa: ARG001
    return Feature(name="websocket")
