from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.modules.common.openapi import document_problems, operations
from app.modules.common.problems import MEDIA_TYPE, raises

from .errors import ConfirmationRequiredError, TwoFactorRequiredError

_LOGIN, _CONFIRMATION = raises(TwoFactorRequiredError), raises(ConfirmationRequiredError)


class TwoFactorProblems(OpenAPIExtension):
    """Documents what a login and its confirmation answer where a code is missing."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:  # noqa: ARG002
        for operation in operations(document):
            if operation["operationId"] == "confirm_login":
                document_problems(operation, _CONFIRMATION)
            elif _examples(operation, "401").keys() & {"auth.invalid_credentials"}:
                document_problems(operation, _LOGIN)


def _examples(operation: dict[str, Any], status: str) -> dict[str, Any]:
    content = operation["responses"].get(status, {}).get("content", {})
    examples: dict[str, Any] = content.get(MEDIA_TYPE, {}).get("examples", {})
    return examples
