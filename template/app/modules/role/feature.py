from app.core.feature import Feature, commands_of

from .openapi import PermissionEnum
from .permissions import MANAGE_ROLES, READ_ROLES
from .policy import RolePolicy
from .privacy import RolesData
from .routes import admin_router, permission_router, router, user_router


def feature() -> Feature:
    return Feature(
        name="role",
        routers=(permission_router, router, user_router, admin_router),
        commands={"role": commands_of(__package__)},
        extensions=(READ_ROLES, MANAGE_ROLES, RolePolicy(), RolesData(), PermissionEnum()),
    )
