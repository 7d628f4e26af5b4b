from app.modules.admin.extension import AdminView
from app.modules.task.models import UserTask

VIEWS = (
    AdminView(
        model=UserTask,
        name="Task",
        plural="Tasks",
        icon="fa-solid fa-gears",
        columns=("name", "status", "user_id", "started_at", "finished_at", "error_code"),
        details=("id", "created_at", "expires_at"),
        searched=("name", "status"),
    ),
)
