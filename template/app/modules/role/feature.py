from app.core.feature import Feature, commands_of, late_extension, late_router
from app.core.openapi import OpenAPIExtension
from app.modules.user.privacy import PersonalData

from .permissions import MANAGE_ROLES, READ_ROLES
from .policy import RolePolicy


def feature() -> Feature:
    return Feature(
        name="role",
        routers=(
            late_router(__package__, "/permissions", "permission_router"),
            late_router(__package__, "/roles"),
            late_router(__package__, "/users", "user_router"),
            late_router(__package__, "/admin", "admin_router"),
        ),
        commands={"role": commands_of(__package__)},
        extensions=(
            READ_ROLES,
            MANAGE_ROLES,
            RolePolicy(),
            late_extension(PersonalData, __package__, "privacy.RolesData"),
            late_extension(OpenAPIExtension, __package__, "openapi.PermissionEnum"),
        ),
    )
