from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import (
    Record,
    SoftDeleteMixin,
    TimestampMixin,
    unique_among_live,
)

NAME_LENGTH = 50
DESCRIPTION_LENGTH = 500
PATH_LENGTH = 200
# Holds a path, from which it is made where none is given.
LIMIT_NAME_LENGTH = PATH_LENGTH
EVERY_ROUTE = "*"
"""The path of the limit for all routes that have none of their own."""


class Tier(TimestampMixin, SoftDeleteMixin, Record):
    """A plan: the users who have it share its limits, and each of them counts alone."""

    __tablename__ = "tier"
    __table_args__ = (unique_among_live(__tablename__, "name"),)

    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    description: Mapped[str | None] = mapped_column(String(DESCRIPTION_LENGTH))


class RateLimit(TimestampMixin, SoftDeleteMixin, Record):
    """How often each user of a tier may use a route: `limit` times in `period` seconds."""

    __tablename__ = "rate_limit"
    __table_args__ = (
        unique_among_live(__tablename__, "tier_id", "path"),
        unique_among_live(__tablename__, "tier_id", "name"),
    )

    tier_id: Mapped[UUID] = mapped_column(ForeignKey("tier.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(LIMIT_NAME_LENGTH))
    path: Mapped[str] = mapped_column(String(PATH_LENGTH))
    limit: Mapped[int]
    period: Mapped[int]


class UserTier(Base):
    """The tier that somebody was given; who has no row here has the default one."""

    __tablename__ = "user_tier"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
    )
    # Whoever deletes a tier decides what happens to those who have it; the database does not.
    tier_id: Mapped[UUID] = mapped_column(ForeignKey("tier.id", ondelete="RESTRICT"), index=True)
    given_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
