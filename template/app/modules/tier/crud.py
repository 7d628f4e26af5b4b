from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.upsert import upsert
from app.modules.common.crud import CRUD
from app.modules.user.models import User

from .models import EVERY_ROUTE, RateLimit, Tier, UserTier

_GIVEN = select(UserTier.tier_id).where(UserTier.user_id == bindparam("user_id"))
_DEFAULT = select(Tier.id).where(Tier.name == bindparam("default"), Tier.deleted_at.is_(None))
# Who was given a tier has that one, and it is there; everybody else has the default one, if any.
_HAS = Tier.id == func.coalesce(_GIVEN.scalar_subquery(), _DEFAULT.scalar_subquery())
_LIMITS_OF_USER = (
    select(Tier.id, RateLimit.path, RateLimit.limit, RateLimit.period)
    .outerjoin(RateLimit, (RateLimit.tier_id == Tier.id) & RateLimit.deleted_at.is_(None))
    .where(_HAS)
)
_TIER_OF_USER = select(Tier, _GIVEN.exists().label("is_given")).where(_HAS)


class Allowance(NamedTuple):
    """So often in so many seconds."""

    limit: int
    period: int


class TierCRUD(CRUD[Tier]):
    model = Tier

    async def get_locked(self, tier_id: UUID) -> Tier | None:
        """Nobody changes or gives it until the transaction ends."""
        statement = self.select().where(Tier.id == tier_id).with_for_update()
        return await self.session.scalar(statement)

    async def get_steady(self, tier_id: UUID) -> Tier | None:
        """Nobody changes it until the transaction ends."""
        return await self._steady(Tier.id == tier_id)

    async def get_named(self, name: str) -> Tier | None:
        """Steady too."""
        return await self._steady(Tier.name == name)

    async def _steady(self, criterion: ColumnElement[bool]) -> Tier | None:
        statement = self.select().where(criterion).with_for_update(read=True)
        return await self.session.scalar(statement)

    async def of_user(self, user_id: UUID, default: str) -> tuple[Tier | None, bool]:
        """What somebody has, and whether it was given to them."""
        values = {"user_id": user_id, "default": default}
        row = (await self.session.execute(_TIER_OF_USER, values)).one_or_none()
        return (None, False) if row is None else (row[0], row[1])

    async def give(self, user_id: UUID, tier_id: UUID) -> None:
        statement = upsert(self.session, UserTier.__table__).values(
            user_id=user_id, tier_id=tier_id
        )
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id"], set_={"tier_id": tier_id, "given_at": func.now()}
            )
        )

    async def take(self, user_id: UUID) -> None:
        await self.session.execute(delete(UserTier).where(UserTier.user_id == user_id))

    async def forget_closed(self, tier_id: UUID) -> None:
        """Take the tier from accounts that nobody can see any more."""
        closed = select(User.id).where(User.deleted_at.is_not(None))
        await self.session.execute(
            delete(UserTier).where(UserTier.tier_id == tier_id, UserTier.user_id.in_(closed))
        )

    async def is_given(self, tier_id: UUID) -> bool:
        statement = select(UserTier.user_id).where(UserTier.tier_id == tier_id).limit(1)
        return await self.session.scalar(statement) is not None

    async def with_users(self) -> Sequence[tuple[str, int]]:
        """Every name, and to how many accounts it is given."""
        count = (
            select(func.count())
            .select_from(UserTier)
            .join(User, User.id == UserTier.user_id)
            .where(UserTier.tier_id == Tier.id, User.deleted_at.is_(None))
            .scalar_subquery()
        )
        statement = select(Tier.name, count).where(Tier.deleted_at.is_(None)).order_by(Tier.name)
        return [(name, users) for name, users in await self.session.execute(statement)]


class RateLimitCRUD(CRUD[RateLimit]):
    model = RateLimit

    def of_tier(self, tier_id: UUID) -> Select[RateLimit]:
        statement = self.select().where(RateLimit.tier_id == tier_id)
        # Databases disagree on where `*` belongs.
        return statement.order_by(RateLimit.path != EVERY_ROUTE, RateLimit.path)

    async def all_of_tier(self, tier_id: UUID) -> Sequence[RateLimit]:
        return (await self.session.scalars(self.of_tier(tier_id))).all()

    async def get_in(self, tier_id: UUID, rate_limit_id: UUID) -> RateLimit | None:
        return await self.session.scalar(self._one(tier_id, rate_limit_id))

    async def get_locked(self, tier_id: UUID, rate_limit_id: UUID) -> RateLimit | None:
        """Nobody changes it until the transaction ends."""
        return await self.session.scalar(self._one(tier_id, rate_limit_id).with_for_update())

    def _one(self, tier_id: UUID, rate_limit_id: UUID) -> Select[RateLimit]:
        return self.select().where(RateLimit.tier_id == tier_id, RateLimit.id == rate_limit_id)

    async def delete_all(self, tier_id: UUID, at: datetime) -> None:
        await self.session.execute(
            update(RateLimit)
            .where(RateLimit.tier_id == tier_id, RateLimit.deleted_at.is_(None))
            .values(deleted_at=at)
        )


async def allowances_of(
    session: AsyncSession, user_id: UUID, default: str
) -> tuple[UUID | None, dict[str, Allowance]]:
    """The id of somebody's tier, and what it allows by path."""
    rows = (await session.execute(_LIMITS_OF_USER, {"user_id": user_id, "default": default})).all()
    allowances = {row.path: Allowance(row.limit, row.period) for row in rows if row.path}
    return (rows[0].id if rows else None), allowances
