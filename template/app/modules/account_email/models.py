from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record
from app.modules.user.models import EMAIL_LENGTH


class Purpose(StrEnum):
    VERIFY = "verify"
    RESET = "reset"
    CHANGE = "change"


class EmailToken(Record):
    """What a link in a mail is good for."""

    __tablename__ = "email_token"
    # One row, which a newer link takes over: an older one is void from that moment.
    __table_args__ = (UniqueConstraint("user_id", "purpose"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(10))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    """The address that the link was sent to."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
