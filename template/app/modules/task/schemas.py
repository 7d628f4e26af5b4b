from uuid import UUID

from pydantic import AwareDatetime, JsonValue

from app.modules.common.schemas import RecordSchema, Schema

from .models import TaskStatus


class TaskRead(RecordSchema):
    name: str
    status: TaskStatus
    result: JsonValue
    """What a task that succeeded has made, if it tells."""
    error_code: str | None
    """Why it failed."""
    started_at: AwareDatetime | None
    """The latest attempt."""
    finished_at: AwareDatetime | None
    expires_at: AwareDatetime
    """When it will be forgotten."""


class TaskAccepted(Schema):
    """The `Location` of the answer is where to follow it."""

    id: UUID
    status: TaskStatus
