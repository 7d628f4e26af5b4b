from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime


class AttemptCount(Base):
    """How often something was tried in the current window."""

    __tablename__ = "attempt_count"

    # The limit's name and a hash of what it is counted for: nothing about a person.
    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    count: Mapped[int]
    window_ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
