from app.core.feature import Feature

from .commands import commands
from .openapi import PermissionEnum
from .permissions import MANAGE_ROLES, READ_ROLES
from .policy import RolePolicy
from .privacy import RolesData
from .routes import admin_router, permission_router, router, user_router


def feature() -> Feature:
    return Feature(
        name="role",
        routers=(permission_router, router, user_router, admin_router),
        commands={"role": commands},
        extensions=(READ_ROLES, MANAGE_ROLES, RolePolicy(), RolesData(), PermissionEnum()),
    )
