from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record
from app.modules.user.models import EMAIL_LENGTH, URL_LENGTH

# OpenID Connect Core section 2: a subject has at most 255 ASCII characters.
SUBJECT_LENGTH = 255
PATH_LENGTH = 500
_NAME_LENGTH = 20
_HASH_LENGTH = 64


class OAuthAccount(Record):
    """Somebody at a provider, who may log in to the account."""

    __tablename__ = "oauth_account"
    __table_args__ = (
        Index("uq_oauth_account_provider_subject", "provider", "subject", unique=True),
        Index("uq_oauth_account_user_id_provider", "user_id", "provider", unique=True),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    # The provider's own id, which it never gives to anybody else: addresses change hands.
    subject: Mapped[str] = mapped_column(String(SUBJECT_LENGTH))
    email: Mapped[str | None] = mapped_column(String(EMAIL_LENGTH))
    """The address that the provider vouched for when it was linked; nothing goes by it."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    last_login_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class OAuthLogin(Record):
    """A login that has left for the provider; its row goes when it comes back.

    Hashes only, and nonce and code verifier come from what the browser keeps: whoever reads the
    table cannot finish a login.
    """

    __tablename__ = "oauth_login"

    state_hash: Mapped[str] = mapped_column(String(_HASH_LENGTH), unique=True)
    browser_hash: Mapped[str] = mapped_column(String(_HASH_LENGTH))
    provider: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    redirect_uri: Mapped[str] = mapped_column(String(URL_LENGTH))
    next_path: Mapped[str | None] = mapped_column(String(PATH_LENGTH))
    grant_name: Mapped[str] = mapped_column(String(_NAME_LENGTH))
    # Both are there when somebody who is logged in wants to link the provider.
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), index=True
    )
    session_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("login_session.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
