from uuid import UUID

from app.core.errors import ConflictError, NotFoundError


class TaskNotFoundError(NotFoundError):
    """Also for another owner's task: a 403 would confirm that it exists."""

    code = "task.not_found"
    title = "Task not found"

    def __init__(self, task_id: UUID) -> None:
        super().__init__(f"You have no task with the id {task_id}.")


class TaskOverError(ConflictError):
    code = "task.over"
    title = "Task is over"

    def __init__(self) -> None:
        super().__init__("The task is over, so there is nothing left to cancel.")
