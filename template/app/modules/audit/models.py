from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.infrastructure.security.context import ADDRESS_LENGTH, USER_AGENT_LENGTH
from app.modules.common.models import Record

NAME_LENGTH = 60
# What the middleware lets in.
REQUEST_ID_LENGTH = 128


class AuditEvent(Record):
    """Something that happened. It is written once and not changed.

    There are two exceptions: erasing a person takes address and user agent away, and a row that is
    older than the retention is deleted. The ids are no foreign keys, so that an event outlives
    whoever it is about.
    """

    __tablename__ = "audit_event"
    # Ids grow with time, so each of these also serves "newest first" and any span of time.
    __table_args__ = (
        Index(None, "name", "id"),
        Index(None, "actor_id", "id"),
        Index(None, "target_id", "id"),
        Index(None, "address", "id"),
        Index(None, "request_id", "id"),
    )

    at: Mapped[datetime] = mapped_column(UtcDateTime)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    is_warning: Mapped[bool]
    actor_id: Mapped[UUID | None]
    target_id: Mapped[UUID | None]
    address: Mapped[str | None] = mapped_column(String(ADDRESS_LENGTH))
    user_agent: Mapped[str | None] = mapped_column(String(USER_AGENT_LENGTH))
    request_id: Mapped[str | None] = mapped_column(String(REQUEST_ID_LENGTH))
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
