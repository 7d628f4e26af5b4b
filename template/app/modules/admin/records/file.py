from app.modules.admin.extension import AdminView
from app.modules.file.models import File

VIEWS = (
    AdminView(
        model=File,
        name="File",
        plural="Files",
        icon="fa-solid fa-file",
        columns=("name", "content_type", "size", "owner_id", "created_at"),
        details=("id", "description", "sha256", "key", "updated_at"),
        searched=("name", "content_type"),
    ),
)
