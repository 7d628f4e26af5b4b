from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.core.routing import API_PREFIX

from .authentication import SUBPROTOCOL
from .connection import (
    DEFECT,
    LOGIN_OVER,
    NOT_TEXT,
    SHUTDOWN,
    TOO_LARGE,
    TOO_MANY_ERRORS,
    TOO_SLOW,
)
from .schemas import CLIENT_MESSAGE, SERVER_MESSAGE

_TEMPLATE = "#/components/schemas/WebSocket{model}"


class MessagesSchema(OpenAPIExtension):
    """OpenAPI knows no WebSockets: `x-websocket` describes ours, with schemas of the messages."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        schemas = document["components"]["schemas"]
        for name, adapter in (("ClientMessage", CLIENT_MESSAGE), ("ServerMessage", SERVER_MESSAGE)):
            schema = adapter.json_schema(ref_template=_TEMPLATE, mode="serialization")
            parts = schema.pop("$defs")
            schemas |= {f"WebSocket{part}": it for part, it in parts.items()}
            schemas[f"WebSocket{name}"] = schema
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        closings = (SHUTDOWN, NOT_TEXT, TOO_MANY_ERRORS, TOO_LARGE, DEFECT, TOO_SLOW, LOGIN_OVER)
        document["x-websocket"] = {
            "path": f"{API_PREFIX}/ws",
            "subprotocols": [SUBPROTOCOL, "bearer.<access token>"],
            "client": {"$ref": _TEMPLATE.format(model="ClientMessage")},
            "server": {"$ref": _TEMPLATE.format(model="ServerMessage")},
            "closings": {str(it.code): it.reason for it in closings},
        }
