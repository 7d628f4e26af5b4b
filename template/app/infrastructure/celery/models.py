from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime

KEY_LENGTH = 200
NAME_LENGTH = 100
CODE_LENGTH = 100
# Whatever names an entry of the schedule.
ENTRY_LENGTH = 200


class TaskExecution(Base):
    """What was done once, and must not be done again."""

    __tablename__ = "task_execution"
    __table_args__ = (Index(None, "at"),)

    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeadLetter(Base):
    """A task that has failed for good, as it was sent."""

    __tablename__ = "dead_letter"
    __table_args__ = (Index(None, "failed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """That of the task."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    error: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """The class: the text of an exception may hold anything."""
    code: Mapped[str] = mapped_column(String(CODE_LENGTH))
    attempts: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ScheduledRun(Base):
    """When an entry of the schedule was last sent, by whichever beat."""

    __tablename__ = "scheduled_run"

    name: Mapped[str] = mapped_column(String(ENTRY_LENGTH), primary_key=True)
    last_sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
