from app.modules.user.permissions import Permission

USE_ADMIN = Permission("admin:use", "Enter the admin panel", is_general=False, is_scope=False)
CHANGE_RECORDS = Permission(
    "admin:change", "Change records in the admin panel", is_general=False, is_scope=False
)
