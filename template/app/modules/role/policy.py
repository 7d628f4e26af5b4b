from collections.abc import Collection
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.user.permissions import Policy

from .models import Role, RolePermission, UserRole

_entries, _given, _roles = RolePermission.__table__, UserRole.__table__, Role.__table__
# Built once: they run on every request that takes more than a general permission.
_GRANTED = (
    select(_entries.c.permission)
    .distinct()
    .join(_given, _given.c.role_id == _entries.c.role_id)
    .where(_given.c.user_id == bindparam("user_id"))
)
_RANK = (
    select(func.max(_roles.c.rank))
    .join(_given, _given.c.role_id == _roles.c.id)
    .where(_given.c.user_id == bindparam("user_id"))
)


class RolePolicy(Policy):
    """One query each. Nothing is remembered: what is taken away is gone at the next request."""

    async def granted(self, session: AsyncSession, user_id: UUID) -> Collection[str]:
        return (await session.scalars(_GRANTED, {"user_id": user_id})).all()

    async def rank(self, session: AsyncSession, user_id: UUID) -> int:
        """That of the highest role."""
        return await session.scalar(_RANK, {"user_id": user_id}) or 0
