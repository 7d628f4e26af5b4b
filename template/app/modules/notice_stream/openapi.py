from typing import Any

from pydantic.json_schema import models_json_schema

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.core.routing import API_PREFIX

from .schemas import NoticeKind

_TEMPLATE = "#/components/schemas/Notice{model}"


class NoticesSchema(OpenAPIExtension):
    """Tells what the data of an event can be; FastAPI knows streams of one kind only."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        models = [kind.model for kind in extensions.of(NoticeKind)]
        _, described = models_json_schema(
            [(model, "serialization") for model in models], ref_template=_TEMPLATE
        )
        schemas = document["components"]["schemas"]
        schemas |= {f"Notice{name}": it for name, it in described["$defs"].items()}
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        operation = document["paths"][f"{API_PREFIX}/notices/stream"]["get"]
        event = operation["responses"]["200"]["content"]["text/event-stream"]["itemSchema"]
        event["properties"]["data"] = {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "oneOf": [{"$ref": _TEMPLATE.format(model=model.__name__)} for model in models],
                "discriminator": {"propertyName": "type"},
            },
        }
