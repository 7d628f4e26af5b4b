from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import String, false, select, true
from sqlalchemy.orm import Mapped, mapped_column

from app.modules.common.models import (
    Record,
    SoftDeleteMixin,
    TimestampMixin,
    unique_among_live,
)

NAME_LENGTH = 30
USERNAME_LENGTH = 32
# RFC 5321: the longest address that fits into a mail's envelope.
EMAIL_LENGTH = 254
URL_LENGTH = 2048


class User(TimestampMixin, SoftDeleteMixin, Record):
    # `user` is a reserved word in PostgreSQL.
    __tablename__ = "user_account"
    __table_args__ = (
        unique_among_live(__tablename__, "email"),
        unique_among_live(__tablename__, "username"),
    )

    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    username: Mapped[str] = mapped_column(String(USERNAME_LENGTH))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    email_verified: Mapped[bool] = mapped_column(server_default=false())
    profile_image_url: Mapped[str | None] = mapped_column(String(URL_LENGTH))
    # Absent for an account that cannot log in with a password. Loaded only where one is checked;
    # reading it anywhere else raises.
    hashed_password: Mapped[str | None] = mapped_column(
        String(255), deferred=True, deferred_raiseload=True
    )
    is_active: Mapped[bool] = mapped_column(server_default=true())
    is_superuser: Mapped[bool] = mapped_column(server_default=false())


class CurrentUser(NamedTuple):
    """Who is calling: read on every authenticated request, so no more than routes need."""

    id: UUID
    name: str
    username: str
    email: str
    email_verified: bool
    profile_image_url: str | None
    is_superuser: bool
    created_at: datetime
    updated_at: datetime


_users = User.__table__.c
ACTIVE_USER = select(*(_users[name] for name in CurrentUser._fields)).where(
    _users.is_active, _users.deleted_at.is_(None)
)
"""The columns of `CurrentUser`, in order, for accounts that may be used; to be joined with a table
of credentials."""
