from app.modules.user.permissions import Permission

READ_ROLES = Permission("roles:read", "Read roles, and who has them", is_general=False)
MANAGE_ROLES = Permission(
    "roles:manage", "Change roles below your own, and give them to others", is_general=False
)
