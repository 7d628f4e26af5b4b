from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime
from app.infrastructure.security.context import ADDRESS_LENGTH
from app.modules.common.models import Record, TimestampMixin

NAME_LENGTH = 100
# API_KEY_PREFIX, an underscore and the first characters of what follows.
PREFIX_LENGTH = 20
# HMAC-SHA256 in hexadecimal digits; the key itself is stored nowhere.
HASH_LENGTH = 64
METHOD_LENGTH = 16
ROUTE_LENGTH = 255


class ApiKey(TimestampMixin, Record):
    """A credential for a program, limited to some of what its user may do."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "user_id", "id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    prefix: Mapped[str] = mapped_column(String(PREFIX_LENGTH))
    """The part that is shown, by which its owner recognises it."""
    key_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), unique=True)
    scopes: Mapped[str] = mapped_column(Text)
    """Names of permissions, separated by blanks."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_address: Mapped[str | None] = mapped_column(String(ADDRESS_LENGTH))
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was last reported that somebody tried it after its end."""
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    replaced_by_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("api_key.id", ondelete="SET NULL"), index=True
    )


class ApiKeyUsage(Record):
    """One request with a key."""

    __tablename__ = "api_key_usage"
    __table_args__ = (Index(None, "key_id", "id"),)

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    method: Mapped[str] = mapped_column(String(METHOD_LENGTH))
    route: Mapped[str] = mapped_column(String(ROUTE_LENGTH))
    """The template: a path itself holds ids, and who knows what else."""
    status: Mapped[int]
    duration_ms: Mapped[float]
    address: Mapped[str | None] = mapped_column(String(ADDRESS_LENGTH))


class ApiKeyUsageDay(Base):
    """The requests with a key on one day, by UTC; counted when they are stored.

    Adding up the records of months for each look at them would cost more, and they are gone by
    then.
    """

    __tablename__ = "api_key_usage_day"

    key_id: Mapped[UUID] = mapped_column(
        ForeignKey("api_key.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(primary_key=True)
    requests: Mapped[int]
    client_errors: Mapped[int]
    """Answers of 400 to 499."""
    server_errors: Mapped[int]
    duration_ms: Mapped[float]
    """Of all together."""


class KeyUse(NamedTuple):
    """A request that is still to be stored."""

    key_id: UUID
    at: datetime
    method: str
    route: str
    status: int
    duration_ms: float
    address: str | None


class KeyTouch(NamedTuple):
    """What is still to be written to a key that was used."""

    at: datetime
    address: str | None
    key_hash: str | None
    """Under the secret in use, if it was stored under a former one."""
