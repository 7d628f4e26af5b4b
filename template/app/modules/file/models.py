from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime
from app.modules.common.models import Record, TimestampMixin

# As long as file systems allow.
NAME_LENGTH = 255
DESCRIPTION_LENGTH = 500
TYPE_LENGTH = 127
# A folder and two ids.
KEY_LENGTH = 100
SHA256_LENGTH = 64


class File(TimestampMixin, Record):
    __tablename__ = "file"
    __table_args__ = (Index(None, "owner_id", "id"),)

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    """What people see; it is no part of the key."""
    description: Mapped[str | None] = mapped_column(String(DESCRIPTION_LENGTH))
    content_type: Mapped[str] = mapped_column(String(TYPE_LENGTH))
    """What the content is, whatever the client said."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(SHA256_LENGTH))
    key: Mapped[str] = mapped_column(String(KEY_LENGTH), unique=True)


class FileLeftover(Base):
    """An object in the storage that goes, unless a file takes it over before.

    Noted before the object is stored and in the transaction that deletes its file: whenever a
    process is killed, what it leaves behind is known. No user: an account that is gone may have
    some.
    """

    __tablename__ = "file_leftover"

    key: Mapped[str] = mapped_column(String(KEY_LENGTH), primary_key=True)
    remove_after: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
