from app.modules.admin.extension import AdminView
from app.modules.role.models import Role
from app.modules.role.permissions import READ_ROLES

VIEWS = (
    AdminView(
        model=Role,
        name="Role",
        plural="Roles",
        icon="fa-solid fa-user-shield",
        columns=("name", "rank", "description", "updated_at"),
        details=("id", "created_at"),
        searched=("name", "description"),
        read=READ_ROLES,
    ),
)
