from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record, TimestampMixin

URL_LENGTH = 2048
DESCRIPTION_LENGTH = 200
EVENT_TYPE_LENGTH = 100
# Of what is in the enumerations.
WORD_LENGTH = 20


class DisabledReason(StrEnum):
    OWNER = "owner"
    GONE = "gone"
    """It answered 410: it wants nothing any more."""
    FAILING = "failing"


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """The endpoint was disabled before it was delivered."""


class DeliveryError(StrEnum):
    """Why there is no answer."""

    ADDRESS_REFUSED = "address_refused"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    SECRET_LOST = "secret_lost"  # noqa: S105 (no secret)
    INTERRUPTED = "interrupted"


class WebhookEndpoint(TimestampMixin, Record):
    """An address of a user's that is told of events."""

    __tablename__ = "webhook_endpoint"
    __table_args__ = (Index(None, "user_id", "id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(URL_LENGTH))
    description: Mapped[str | None] = mapped_column(String(DESCRIPTION_LENGTH))
    event_types: Mapped[list[str]] = mapped_column(JSON)
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    """Sealed, as the one before it."""
    previous_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_enabled: Mapped[bool] = mapped_column(server_default=true())
    disabled_reason: Mapped[str | None] = mapped_column(String(WORD_LENGTH))
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    """Deliveries given up since the last one that arrived."""


class WebhookDelivery(TimestampMixin, Record):
    """One event on its way to one endpoint."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index(None, "endpoint_id", "id"), Index(None, "next_attempt_at"))

    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoint.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    """The same for all endpoints and attempts: by it receivers know what they have seen."""
    event_type: Mapped[str] = mapped_column(String(EVENT_TYPE_LENGTH))
    body: Mapped[str] = mapped_column(Text)
    """As it is sent: a signature is over bytes."""
    status: Mapped[str] = mapped_column(String(WORD_LENGTH), default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    """Those that have begun."""
    response_status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(WORD_LENGTH))
    last_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the next attempt is sent to the queue if nothing happens before; null: never."""
