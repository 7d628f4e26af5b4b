from typing import Any

from app.core.extensions import Extensions
from app.core.openapi import OpenAPIExtension
from app.modules.user.permissions import Permission

from .schemas import RoleCreate, RoleUpdate


class PermissionEnum(OpenAPIExtension):
    """Documents which permissions a role can have: whatever the features in use declare."""

    def extend(self, document: dict[str, Any], extensions: Extensions) -> None:
        names = sorted(it.name for it in extensions.of(Permission) if not it.is_general)
        for schema in (RoleCreate, RoleUpdate):
            properties = document["components"]["schemas"][schema.__name__]["properties"]
            properties["permissions"]["items"]["enum"] = names
