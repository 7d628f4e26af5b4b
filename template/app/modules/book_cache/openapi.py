from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.core.routing import API_PREFIX
from app.infrastructure.cache.http import NOT_MODIFIED


class BookConditions(OpenAPIExtension):
    """Documents that the reads of books answer 304."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        for path, operations in document["paths"].items():
            if path.startswith(f"{API_PREFIX}/books") and "get" in operations:
                responses = operations["get"]["responses"]
                responses |= {str(status): entry for status, entry in NOT_MODIFIED.items()}
                operations["get"]["responses"] = dict(sorted(responses.items()))
