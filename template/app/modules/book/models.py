from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.modules.common.models import (
    Record,
    SoftDeleteMixin,
    TimestampMixin,
    unique_among_live,
)

TITLE_LENGTH = 200
AUTHOR_LENGTH = 120
ISBN_LENGTH = 13
DESCRIPTION_LENGTH = 2000


class Book(TimestampMixin, SoftDeleteMixin, Record):
    __tablename__ = "book"
    __table_args__ = (
        unique_among_live(__tablename__, "owner_id", "isbn"),
        # Serves both lists: one owner's rows, newest first.
        Index(None, "owner_id", "id"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH))
    author: Mapped[str] = mapped_column(String(AUTHOR_LENGTH))
    isbn: Mapped[str] = mapped_column(String(ISBN_LENGTH))
    published_in: Mapped[int | None]
    description: Mapped[str | None] = mapped_column(String(DESCRIPTION_LENGTH))
