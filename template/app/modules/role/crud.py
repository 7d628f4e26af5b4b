from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, bindparam, delete, func, select
from sqlalchemy.orm import selectinload

from app.infrastructure.database.upsert import upsert
from app.modules.auth.models import LoginSession
from app.modules.common.crud import CRUD
from app.modules.user.models import User

from .models import Role, UserRole

_users, _sessions = User.__table__.c, LoginSession.__table__.c
_LIVE_SESSIONS = (
    select(func.count())
    .select_from(LoginSession)
    .join(User, _users.id == _sessions.user_id)
    .where(
        _users.is_active,
        _users.deleted_at.is_(None),
        _sessions.revoked_at.is_(None),
        _sessions.expires_at > bindparam("now"),
    )
)
_TOTALS = select(
    func.count().label("total_users"),
    func.count().filter(_users.is_active).label("active_users"),
    func.count().filter(~_users.is_active).label("inactive_users"),
    func.count().filter(_users.email_verified).label("verified_users"),
    _LIVE_SESSIONS.correlate(None).scalar_subquery().label("live_sessions"),
).where(_users.deleted_at.is_(None))
_HIGHEST_FIRST = (Role.rank.desc(), Role.name)
_BY_ROLE = (
    select(Role.id, Role.name, Role.rank, func.count(User.id).label("users"))
    .outerjoin(UserRole, UserRole.role_id == Role.id)
    .outerjoin(User, and_(User.id == UserRole.user_id, User.deleted_at.is_(None)))
    .group_by(Role.id)
    .order_by(*_HIGHEST_FIRST)
)


class RoleCRUD(CRUD[Role]):
    model = Role

    def select(self) -> Select[Role]:
        return super().select().options(selectinload(Role.entries))

    def highest_first(self) -> Select[Role]:
        return self.select().order_by(*_HIGHEST_FIRST)

    async def get_locked(self, role_id: UUID) -> Role | None:
        """Nobody changes or gives it until the transaction ends."""
        return await self._locked(Role.id == role_id)

    async def get_named(self, name: str) -> Role | None:
        """Locked too."""
        return await self._locked(Role.name == name)

    async def _locked(self, criterion: ColumnElement[bool]) -> Role | None:
        return await self.session.scalar(self.select().where(criterion).with_for_update())

    async def get_steady(self, role_ids: Collection[UUID]) -> Sequence[Role]:
        """Those of these that exist, and nobody changes them until the transaction ends."""
        # In one order everywhere, so that two transactions do not wait for each other.
        statement = self.select().where(Role.id.in_(role_ids)).order_by(Role.id)
        return (await self.session.scalars(statement.with_for_update(read=True))).all()

    async def of_user(self, user_id: UUID) -> Sequence[Role]:
        statement = self.highest_first().join(UserRole).where(UserRole.user_id == user_id)
        return (await self.session.scalars(statement)).all()

    async def of_users(self, user_ids: Collection[UUID]) -> Sequence[tuple[UUID, Role]]:
        statement = select(UserRole.user_id, Role).join(Role, Role.id == UserRole.role_id)
        rows = await self.session.execute(
            statement.where(UserRole.user_id.in_(user_ids)).order_by(*_HIGHEST_FIRST)
        )
        return [(user_id, role) for user_id, role in rows]

    async def give(self, user_id: UUID, role_ids: Iterable[UUID]) -> None:
        """One that the account has already is left alone."""
        rows = [{"user_id": user_id, "role_id": role_id} for role_id in role_ids]
        if rows:
            statement = upsert(self.session, UserRole.__table__).values(rows)
            await self.session.execute(statement.on_conflict_do_nothing())

    async def take(self, user_id: UUID, role_ids: Collection[UUID]) -> None:
        if role_ids:
            await self.session.execute(
                delete(UserRole).where(UserRole.user_id == user_id, UserRole.role_id.in_(role_ids))
            )

    async def forget_closed(self, role_id: UUID) -> None:
        """Take the role from accounts that nobody can see any more."""
        closed = select(User.id).where(User.deleted_at.is_not(None))
        await self.session.execute(
            delete(UserRole).where(UserRole.role_id == role_id, UserRole.user_id.in_(closed))
        )

    async def is_given(self, role_id: UUID) -> bool:
        statement = select(UserRole.user_id).where(UserRole.role_id == role_id).limit(1)
        return await self.session.scalar(statement) is not None

    async def delete(self, role: Role) -> None:
        await self.session.execute(delete(Role).where(Role.id == role.id))

    async def totals(self, now: datetime) -> RowMapping:
        return (await self.session.execute(_TOTALS, {"now": now})).mappings().one()

    async def by_role(self) -> Sequence[RowMapping]:
        return (await self.session.execute(_BY_ROLE)).mappings().all()


def has_role(name: str) -> ColumnElement[bool]:
    """Whether an account has the role with this name."""
    return User.id.in_(select(UserRole.user_id).join(Role).where(Role.name == name))
