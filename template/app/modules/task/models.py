from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.celery.models import CODE_LENGTH, NAME_LENGTH
from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record, TimestampMixin

STATUS_LENGTH = 10


class TaskStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UserTask(TimestampMixin, Record):
    """A background task that somebody follows; its id is that of the message, too."""

    __tablename__ = "user_task"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "expires_at"))

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    status: Mapped[str] = mapped_column(String(STATUS_LENGTH))
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    error_code: Mapped[str | None] = mapped_column(String(CODE_LENGTH))
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
