from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record

OPERATION_LENGTH = 200
DIGEST_LENGTH = 64


class IdempotencyKey(Record):
    """What has become of the first request with a key: it is running, or has been answered."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("user_id", "key_digest"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    key_digest: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    """Of the operation and of what the client sent, which may be anything."""
    operation: Mapped[str] = mapped_column(String(OPERATION_LENGTH))
    """For people: `POST /orders`."""
    fingerprint: Mapped[str] = mapped_column(String(DIGEST_LENGTH))
    """A keyed hash of the request: with a plain one, guesses at its content could be checked."""
    claim: Mapped[UUID]
    """Who may answer: each request that takes the key over makes a new one."""
    claimed_until: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    status: Mapped[int | None]
    """Absent until the request has been answered."""
    sealed_response: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Absent as well for an answer that was too large."""
