from typing import Any

import pytest
from fastapi import FastAPI

from app.modules.websocket.feature import feature
from app.modules.websocket.settings import WebsocketSettings
from tests.support import FixedSettings


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


class TestDocument:
    def test_tells_clients_what_is_said(self, document: dict[str, Any]) -> None:
        told = document["x-websocket"]
        schemas = document["components"]["schemas"]

        assert told["path"] == "/api/v1/ws"
        assert told["client"] == {"$ref": "#/components/schemas/WebSocketClientMessage"}
        assert sorted(told["closings"]) == ["1001", "1003", "1008", "1009", "1011", "1013", "4401"]
        assert sorted(schemas["WebSocketClientMessage"]["discriminator"]["mapping"]) == [
            "ping",
            "publish",
            "subscribe",
            "unsubscribe",
        ]
        assert sorted(schemas["WebSocketServerMessage"]["discriminator"]["mapping"]) == [
            "error",
            "message",
            "pong",
            "published",
            "subscribed",
            "unsubscribed",
            "welcome",
        ]


class TestServer:
    def test_keeps_the_limits_too(self) -> None:
        settings = WebsocketSettings(max_message_bytes=1000, heartbeat_seconds=7)

        plugged = feature(settings, FixedSettings(environment="test").cors)

        assert plugged.server_options == {
            "ws_max_size": 1000,
            "ws_ping_interval": 7,
            "ws_ping_timeout": 7,
        }
