from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.infrastructure.database.base import Base
from app.modules.common.models import Record, TimestampMixin

NAME_LENGTH = 40
DESCRIPTION_LENGTH = 200
PERMISSION_LENGTH = 60


class RolePermission(Base):
    """The permission's name as its module declares it; one that is gone grants nothing."""

    __tablename__ = "role_permission"

    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("role.id", ondelete="CASCADE"), primary_key=True
    )
    permission: Mapped[str] = mapped_column(String(PERMISSION_LENGTH), primary_key=True)


class Role(TimestampMixin, Record):
    """Permissions under a name.

    A role has the permissions it lists and no others, whatever the rank: that decides alone who
    may manage whom.
    """

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(String(NAME_LENGTH), unique=True)
    description: Mapped[str] = mapped_column(String(DESCRIPTION_LENGTH))
    rank: Mapped[int]
    entries: Mapped[list[RolePermission]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, lazy="raise"
    )

    @property
    def permissions(self) -> list[str]:
        return sorted(entry.permission for entry in self.entries)

    def permit(self, names: Collection[str]) -> None:
        """These permissions and no others; rows that stay are left alone."""
        kept = [entry for entry in self.entries if entry.permission in names]
        new = set(names) - {entry.permission for entry in kept}
        self.entries = kept + [RolePermission(permission=name) for name in sorted(new)]


class UserRole(Base):
    __tablename__ = "user_role"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("user_account.id", ondelete="CASCADE"), primary_key=True
    )
    # Whoever deletes a role decides what happens to those who have it; the database does not.
    role_id: Mapped[UUID] = mapped_column(
        ForeignKey("role.id", ondelete="RESTRICT"), primary_key=True, index=True
    )
