from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record, TimestampMixin


class TotpDevice(TimestampMixin, Record):
    """An app that shows codes; an account has one at most."""

    __tablename__ = "totp_device"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), unique=True
    )
    # 80 characters as it is now; room for a longer secret.
    encrypted_secret: Mapped[str] = mapped_column(String(200))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Absent until a first code has shown that the app has the secret; nothing counts before."""
    last_used_step: Mapped[int] = mapped_column(default=0)
    """Codes of this time step and of earlier ones count no more."""
    challenges_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Logins that were begun before, with a password that has since changed, cannot be ended."""


class RecoveryCode(Record):
    """Good for one login without the app."""

    __tablename__ = "recovery_code"
    __table_args__ = (UniqueConstraint("user_id", "code_hash"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UsedChallenge(Record):
    """The id of a challenge that has been met; kept until the challenge would have expired."""

    __tablename__ = "used_challenge"

    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
