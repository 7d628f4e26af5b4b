from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.modules.user.permissions import Permission


class KnownScopes(OpenAPIExtension):
    """Lists what a key can be limited to, so that nobody has to guess the names."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        names = sorted(it.name for it in extensions.of(Permission) if it.is_scope)
        schema = document["components"]["schemas"]["ApiKeyCreate"]
        schema["properties"]["scopes"]["items"]["enum"] = names
