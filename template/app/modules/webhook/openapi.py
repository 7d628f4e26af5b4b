from typing import Any

from pydantic.json_schema import models_json_schema

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension

from .events import PING, WebhookEvent

_TEMPLATE = "#/components/schemas/Webhook{model}"
_HEADERS = {
    "webhook-id": "The same in each attempt: by it you know what you have seen.",
    "webhook-timestamp": "Of the attempt, in seconds since 1970: refuse what is too old.",
    "webhook-signature": "`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body` with the "
    "endpoint's secret (the base64 after `whsec_`); several of them have a blank between them.",
}
_RESPONSES = {
    "2XX": {"description": "Taken. What is answered beside the status is not looked at."},
    "410": {"description": "Nothing more is wanted: the endpoint is disabled."},
    "default": {
        "description": "Tried again, for about a day and as late as `Retry-After` says; redirects "
        "are not followed."
    },
}


class WebhooksSection(OpenAPIExtension):
    """Describes what is sent, and lists what endpoints can ask for."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        events = sorted(extensions.of(WebhookEvent), key=lambda event: event.name)
        schemas = document["components"]["schemas"]
        for name in ("EndpointCreate", "EndpointUpdate"):
            wanted = schemas[name]["properties"]["event_types"]["items"]
            wanted["enum"] = [event.name for event in events]
        described = (*events, PING)
        references, parts = models_json_schema(
            [(event.model, "serialization") for event in described], ref_template=_TEMPLATE
        )
        schemas |= {f"Webhook{part}": it for part, it in parts["$defs"].items()}
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        document["webhooks"] = {
            event.name: {"post": _operation(event, references[event.model, "serialization"])}
            for event in described
        }


def _operation(event: WebhookEvent[Any], data: dict[str, Any]) -> dict[str, Any]:
    envelope = {
        "type": "object",
        "properties": {
            "type": {"const": event.name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
    }
    return {
        "tags": ["webhooks"],
        "operationId": f"receive_{event.name.replace('.', '_')}",
        "summary": event.name,
        "description": event.description,
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
            }
            for name, text in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": envelope}}},
        "responses": _RESPONSES,
    }
