from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.database.errors import translate_violations
from app.infrastructure.security.events import SecurityEvents
from app.modules.common.pagination import PageQuery
from app.modules.user.models import CurrentUser
from app.modules.user.service import UserReader, UserService, lock_user

from .crud import RateLimitCRUD, TierCRUD
from .errors import (
    DefaultTierError,
    RateLimitNameTakenError,
    RateLimitNotFoundError,
    RateLimitPathTakenError,
    TierInUseError,
    TierNameTakenError,
    TierNotFoundError,
    UnknownRouteError,
    UnknownTierError,
)
from .limits import TierLimits
from .models import EVERY_ROUTE, RateLimit, Tier
from .schemas import (
    RateLimitCreate,
    RateLimitCreateInternal,
    RateLimitRead,
    RateLimitUpdate,
    TierCreate,
    TierRead,
    TierUpdate,
    TierUpdateInternal,
    UserTierRead,
)


def _taken() -> Any:  # noqa: ANN401 (a context manager without a name of its own)
    return translate_violations(
        uq_tier_name=TierNameTakenError(),
        uq_rate_limit_tier_id_path=RateLimitPathTakenError(),
        uq_rate_limit_tier_id_name=RateLimitNameTakenError(),
    )


class TierReader:
    def __init__(self, tiers: TierCRUD, users: UserReader, default: str) -> None:
        self.tiers = tiers
        self.limits = RateLimitCRUD(tiers.session)
        self.users = users
        self.default = default

    async def get(self, tier_id: UUID) -> Tier:
        return _found(await self.tiers.get(tier_id), tier_id)

    async def page(self, query: PageQuery) -> tuple[Sequence[Tier], int]:
        """By name."""
        statement = self.tiers.select().order_by(Tier.name)
        return await self.tiers.page(statement, limit=query.items_per_page, offset=query.offset)

    async def get_limit(self, tier_id: UUID, rate_limit_id: UUID) -> RateLimit:
        await self.get(tier_id)
        limit = await self.limits.get_in(tier_id, rate_limit_id)
        if limit is None:
            raise RateLimitNotFoundError(rate_limit_id)
        return limit

    async def page_of_limits(
        self, tier_id: UUID, query: PageQuery
    ) -> tuple[Sequence[RateLimit], int]:
        """By path, `*` first."""
        await self.get(tier_id)
        return await self.limits.page(
            self.limits.of_tier(tier_id), limit=query.items_per_page, offset=query.offset
        )

    async def of_user(self, user_id: UUID) -> UserTierRead:
        await self.users.get(user_id)
        tier, is_given = await self.tiers.of_user(user_id, self.default)
        limits = [] if tier is None else await self.limits.all_of_tier(tier.id)
        return UserTierRead(
            tier_id=None if tier is None else tier.id,
            tier=None if tier is None else TierRead.model_validate(tier),
            is_default=not is_given,
            rate_limits=[RateLimitRead.model_validate(limit) for limit in limits],
        )


class TierService(TierReader):
    """Changes what users are allowed; it counts in this process as soon as it is committed."""

    def __init__(
        self,
        tiers: TierCRUD,
        users: UserService,
        default: str,
        events: SecurityEvents,
        cached: TierLimits,
    ) -> None:
        super().__init__(tiers, users, default)
        self.accounts = users
        self.events = events
        self.cached = cached

    async def create(self, data: TierCreate) -> Tier:
        tier = await store(self.tiers, self.events, Tier(**data.model_dump()))
        forget_after_commit(self.tiers.session, self.cached)
        return tier

    async def update(self, tier_id: UUID, data: TierUpdate) -> Tier:
        tier = _found(await self.tiers.get_locked(tier_id), tier_id)
        if isinstance(data.name, str) and data.name != tier.name:
            self._require_not_default(tier)
        changes = TierUpdateInternal(**data.model_dump()).model_dump()
        with _taken():
            await self.tiers.update(tier, changes)
        await self._record("tier_updated", tier)
        return tier

    async def delete(self, tier_id: UUID) -> None:
        """Raises `TierInUseError` while somebody has it: they were promised what it allows."""
        tier = _found(await self.tiers.get_locked(tier_id), tier_id)
        self._require_not_default(tier)
        await self.tiers.forget_closed(tier_id)
        if await self.tiers.is_given(tier_id):
            raise TierInUseError
        now = datetime.now(UTC)
        await self.limits.delete_all(tier_id, now)
        await self.tiers.update(tier, TierUpdateInternal(deleted_at=now).model_dump())
        await self._record("tier_deleted", tier)

    async def assign(self, user_id: UUID, tier_id: UUID | None, *, by: CurrentUser) -> UserTierRead:
        """Give an account below `by` a tier, or take what it was given."""
        await lock_user(self.tiers.session, user_id)
        await self.accounts.get_managed(user_id, by=by)
        tier = None
        if tier_id is not None:
            tier = await self.tiers.get_steady(tier_id)
            if tier is None:
                raise UnknownTierError(tier_id)
        await assign(self.tiers, self.events, user_id, tier, default=self.default)
        forget_after_commit(self.tiers.session, self.cached, user_id)
        return await self.of_user(user_id)

    def _require_not_default(self, tier: Tier) -> None:
        if tier.name == self.default:
            raise DefaultTierError

    async def _record(self, event: str, tier: Tier) -> None:
        forget_after_commit(self.tiers.session, self.cached)
        await record(self.tiers, self.events, event, tier)


class RateLimitService:
    """Changes the rate limits of a tier, which count as a change of the tier does.

    `routes` are the paths that there are; any other is refused with `UnknownRouteError`.
    """

    def __init__(
        self, tiers: TierCRUD, events: SecurityEvents, cached: TierLimits, routes: Collection[str]
    ) -> None:
        self.tiers = tiers
        self.limits = RateLimitCRUD(tiers.session)
        self.events = events
        self.cached = cached
        self.routes = routes

    async def create(self, tier_id: UUID, data: RateLimitCreate) -> RateLimit:
        tier = _found(await self.tiers.get_steady(tier_id), tier_id)
        self._require_route(data.path)
        forget_after_commit(self.tiers.session, self.cached)
        return await store_limit(self.tiers, self.events, tier, data)

    async def update(self, tier_id: UUID, rate_limit_id: UUID, data: RateLimitUpdate) -> RateLimit:
        tier, limit = await self._locked(tier_id, rate_limit_id)
        changes = data.model_dump()
        if isinstance(data.path, str) and data.path != limit.path:
            self._require_route(data.path)
            if limit.name == limit.path:
                changes = {"name": data.path, **changes}
        with _taken():
            await self.limits.update(limit, changes)
        await self._record("rate_limit_updated", tier, limit)
        return limit

    async def delete(self, tier_id: UUID, rate_limit_id: UUID) -> None:
        tier, limit = await self._locked(tier_id, rate_limit_id)
        await self.limits.update(limit, {"deleted_at": datetime.now(UTC)})
        await self._record("rate_limit_deleted", tier, limit)

    async def _locked(self, tier_id: UUID, rate_limit_id: UUID) -> tuple[Tier, RateLimit]:
        tier = _found(await self.tiers.get_steady(tier_id), tier_id)
        limit = await self.limits.get_locked(tier_id, rate_limit_id)
        if limit is None:
            raise RateLimitNotFoundError(rate_limit_id)
        return tier, limit

    def _require_route(self, path: str) -> None:
        if path != EVERY_ROUTE and path not in self.routes:
            raise UnknownRouteError

    async def _record(self, event: str, tier: Tier, limit: RateLimit) -> None:
        forget_after_commit(self.tiers.session, self.cached)
        await record(self.tiers, self.events, event, tier, limit)


def _found(tier: Tier | None, tier_id: UUID) -> Tier:
    if tier is None:
        raise TierNotFoundError(tier_id)
    return tier


def forget_after_commit(
    session: AsyncSession, cached: TierLimits, user_id: UUID | None = None
) -> None:
    """What one user is allowed, or everybody."""

    async def forget() -> None:
        cached.forget(user_id)

    after_commit(session, forget)


async def store(tiers: TierCRUD, events: SecurityEvents, tier: Tier) -> Tier:
    """Raises `TierNameTakenError`."""
    with _taken():
        await tiers.add(tier)
    await record(tiers, events, "tier_created", tier)
    return tier


async def store_limit(
    tiers: TierCRUD, events: SecurityEvents, tier: Tier, data: RateLimitCreate
) -> RateLimit:
    """Raises `RateLimitPathTakenError` and `RateLimitNameTakenError`."""
    internal = RateLimitCreateInternal(
        **{"name": data.path, **data.model_dump(), "tier_id": tier.id}
    )
    with _taken():
        limit = await RateLimitCRUD(tiers.session).add(RateLimit(**internal.model_dump()))
    await record(tiers, events, "rate_limit_created", tier, limit)
    return limit


async def record(
    tiers: TierCRUD, events: SecurityEvents, event: str, tier: Tier, limit: RateLimit | None = None
) -> None:
    details: dict[str, Any] = {"tier": tier.name}
    if limit is not None:
        details |= {"path": limit.path, "limit": limit.limit, "period": limit.period}
    await events.record(tiers.session, event, None, **details)


async def assign(
    tiers: TierCRUD, events: SecurityEvents, user_id: UUID, tier: Tier | None, *, default: str
) -> None:
    """Give an account this tier, or take what it was given; no event where nothing changes."""
    current, is_given = await tiers.of_user(user_id, default)
    former = current if is_given else None
    if former is tier:
        return
    if tier is None:
        await tiers.take(user_id)
    else:
        await tiers.give(user_id, tier.id)
    await events.record(
        tiers.session,
        "tier_changed",
        user_id,
        tier=tier.name if tier else "",
        former=former.name if former else "",
    )
