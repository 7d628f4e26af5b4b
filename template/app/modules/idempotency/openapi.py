from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.modules.common.openapi import document_problems, operations
from app.modules.common.problems import raises

from .errors import (
    ClaimLostError,
    IdempotencyKeyAmbiguousError,
    IdempotencyKeyMissingError,
    IdempotencyKeyReusedError,
    RequestInProgressError,
    ResponseNotKeptError,
)
from .headers import HEADER, REPLAYED

_REFUSALS = (
    IdempotencyKeyAmbiguousError,
    IdempotencyKeyReusedError,
    RequestInProgressError,
    ResponseNotKeptError,
    ClaimLostError,
)
_OPTIONAL = raises(*_REFUSALS)
_REQUIRED = raises(IdempotencyKeyMissingError, *_REFUSALS)
_REPLAYED = {
    "description": "`true` where the answer is that of an earlier request.",
    "schema": {"const": "true"},
}


class IdempotencyResponses(OpenAPIExtension):
    """Documents what every route with a key can answer."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        for operation in operations(document):
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == HEADER:
                    _document(operation, _REQUIRED if parameter["required"] else _OPTIONAL)


def _document(operation: dict[str, Any], problems: dict[int | str, dict[str, Any]]) -> None:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            response.setdefault("headers", {})[REPLAYED] = _REPLAYED
    document_problems(operation, problems)
