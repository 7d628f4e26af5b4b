from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.core.routing import API_PREFIX

from .models import EVERY_ROUTE
from .schemas import RateLimitCreate, RateLimitUpdate


class RouteEnum(OpenAPIExtension):
    """Documents which routes a tier can limit: all that the API has."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        paths = sorted(path for path in document["paths"] if path.startswith(f"{API_PREFIX}/"))
        for schema in (RateLimitCreate, RateLimitUpdate):
            properties = document["components"]["schemas"][schema.__name__]["properties"]
            properties["path"]["enum"] = [EVERY_ROUTE, *paths]
