from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.infrastructure.security.context import ADDRESS_LENGTH, USER_AGENT_LENGTH
from app.modules.common.models import Record, TimestampMixin


class LoginSession(TimestampMixin, Record):
    """One login on one device. Tokens and cookies belong to it and end with it."""

    __tablename__ = "login_session"
    __table_args__ = (Index(None, "user_id", "id"),)

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    """In what form it was handed out: the grant's name."""
    # Separated by blanks, as in the claims `amr` and `scope`.
    methods: Mapped[str] = mapped_column(String(60))
    scope: Mapped[str | None] = mapped_column(String(2000))
    authenticated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    address: Mapped[str | None] = mapped_column(String(ADDRESS_LENGTH))
    user_agent: Mapped[str | None] = mapped_column(String(USER_AGENT_LENGTH))


class RefreshToken(Record):
    """One link of a session's chain; a used one stays, so that its return shows a theft."""

    __tablename__ = "refresh_token"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("login_session.id", ondelete="CASCADE"), index=True
    )
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
