"""What the tables of all modules are built from."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, func, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from uuid_utils.compat import uuid7

from app.infrastructure.database.base import Base
from app.infrastructure.database.types import UtcDateTime

# 48 bits.
_LAST_MS = (1 << 48) - 1


class Record(Base):
    """A table with an `id` of UUID version 7.

    It is made without asking the database and ordered by time, so that the index of the primary
    key serves "newest first" as well.
    """

    __abstract__ = True
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 (SQLAlchemy passes the class)
        # Values set by the database come back with the statement; nothing loads lazily.
        return {"eager_defaults": True}


def first_id_at(moment: datetime, *, shift_ms: int = 0) -> UUID:
    """The lowest id of a `Record` made so long after `moment`: older ones are below it (RFC 9562).

    So the primary key's index finds them.
    """
    milliseconds = int(moment.timestamp() * 1000) + shift_ms
    return UUID(int=min(max(milliseconds, 0), _LAST_MS) << 80)


class TimestampMixin:
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, server_default=func.now(), onupdate=func.now()
    )


class SoftDeleteMixin:
    """Rows that stay in the table when they are deleted.

    `CRUD` leaves them out; make unique indexes with `unique_among_live`, so that a deleted row does
    not keep a name for ever.
    """

    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @hybrid_property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None


def unique_among_live(table: str, *columns: str) -> Index:
    """The index `uq_<table>_<columns>`, which leaves out deleted rows."""
    return Index(
        f"uq_{table}_{'_'.join(columns)}",
        *columns,
        unique=True,
        postgresql_where=text("deleted_at IS NULL"),
        sqlite_where=text("deleted_at IS NULL"),
    )
