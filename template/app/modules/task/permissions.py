from app.modules.user.permissions import Permission

READ_TASKS = Permission("tasks:read", "Follow your own background tasks")
WRITE_TASKS = Permission("tasks:write", "Cancel your own background tasks")
