from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime

ERROR_LENGTH = 100


class OutboxMessage(Base):
    """A task that the broker has not taken yet, as it is sent."""

    __tablename__ = "outbox"
    __table_args__ = (Index(None, "stored_at", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """That of the task, which is the same however often it is sent."""
    message: Mapped[dict[str, Any]] = mapped_column(JSON)
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Nobody sends it before: it is being sent, or was refused."""
    attempts: Mapped[int] = mapped_column(default=0)
    """Those that have failed."""
    error: Mapped[str | None] = mapped_column(String(ERROR_LENGTH))
    """The class of the last one: the text of an exception may hold anything."""
