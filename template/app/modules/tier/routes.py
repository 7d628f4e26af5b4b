from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import Page, PageQuery, page_of
from app.modules.common.problems import raises
from app.modules.user.dependencies import requires
from app.modules.user.errors import (
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    UserNotFoundError,
)
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import READ_PROFILE

from .dependencies import RateLimitServiceDep, TierReaderDep, TierServiceDep
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
from .models import RateLimit, Tier
from .permissions import MANAGE_TIERS, READ_TIERS
from .schemas import (
    RateLimitCreate,
    RateLimitRead,
    RateLimitUpdate,
    TierCreate,
    TierRead,
    TierUpdate,
    UserTierRead,
    UserTierUpdate,
)

_GUARDED = raises(
    NotAuthenticatedError, InsufficientScopeError, DatabaseBusyError, DatabaseUnreachableError
)
_READS = [requires(READ_TIERS)]
_MANAGES = [requires(MANAGE_TIERS)]
_LIMITS = "/{tier_id:uuid}/rate-limits"
_LIMIT = "/{tier_id:uuid}/rate-limits/{rate_limit_id:uuid}"

router = PrefixRouter(prefix="/tiers", tags=["tiers"], responses=_GUARDED)
user_router = PrefixRouter(prefix="/users", tags=["tiers"], responses=_GUARDED)


@router.post(
    "",
    response_model=TierRead,
    status_code=HTTPStatus.CREATED,
    dependencies=_MANAGES,
    responses=raises(TierNameTakenError),
)
async def create_tier(
    tiers: TierServiceDep, data: TierCreate, request: Request, response: Response
) -> Tier:
    """Make a tier. It limits nothing until it has rate limits."""
    tier = await tiers.create(data)
    response.headers["Location"] = request.url_for("read_tier", tier_id=tier.id).path
    return tier


@router.get("", response_model=Page[TierRead], dependencies=_READS)
async def list_tiers(
    tiers: TierReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List tiers by name."""
    return page_of(query, *await tiers.page(query))


@router.get(
    "/{tier_id:uuid}",
    response_model=TierRead,
    dependencies=_READS,
    responses=raises(TierNotFoundError),
)
async def read_tier(tiers: TierReaderDep, tier_id: UUID) -> Tier:
    """Read a tier."""
    return await tiers.get(tier_id)


@router.patch(
    "/{tier_id:uuid}",
    response_model=TierRead,
    dependencies=_MANAGES,
    responses=raises(TierNotFoundError, TierNameTakenError, DefaultTierError),
)
async def update_tier(tiers: TierServiceDep, tier_id: UUID, data: TierUpdate) -> Tier:
    """Change the fields that are present and leave the others alone."""
    return await tiers.update(tier_id, data)


@router.delete(
    "/{tier_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_MANAGES,
    responses=raises(TierNotFoundError, TierInUseError, DefaultTierError),
)
async def delete_tier(tiers: TierServiceDep, tier_id: UUID) -> None:
    """Delete a tier that nobody has any more, with its rate limits."""
    await tiers.delete(tier_id)


@router.post(
    _LIMITS,
    response_model=RateLimitRead,
    status_code=HTTPStatus.CREATED,
    dependencies=_MANAGES,
    responses=raises(
        TierNotFoundError, RateLimitPathTakenError, RateLimitNameTakenError, UnknownRouteError
    ),
)
async def create_rate_limit(
    limits: RateLimitServiceDep,
    tier_id: UUID,
    data: RateLimitCreate,
    request: Request,
    response: Response,
) -> RateLimit:
    """Limit how often each user of a tier may use a route, with each of its methods.

    The limit with the path `*` is for all routes that have none.
    """
    limit = await limits.create(tier_id, data)
    url = request.url_for("read_rate_limit", tier_id=tier_id, rate_limit_id=limit.id)
    response.headers["Location"] = url.path
    return limit


@router.get(
    _LIMITS,
    response_model=Page[RateLimitRead],
    dependencies=_READS,
    responses=raises(TierNotFoundError),
)
async def list_rate_limits(
    tiers: TierReaderDep, tier_id: UUID, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List the rate limits of a tier by path, `*` first."""
    return page_of(query, *await tiers.page_of_limits(tier_id, query))


@router.get(
    _LIMIT,
    response_model=RateLimitRead,
    dependencies=_READS,
    responses=raises(TierNotFoundError, RateLimitNotFoundError),
)
async def read_rate_limit(tiers: TierReaderDep, tier_id: UUID, rate_limit_id: UUID) -> RateLimit:
    """Read a rate limit."""
    return await tiers.get_limit(tier_id, rate_limit_id)


@router.patch(
    _LIMIT,
    response_model=RateLimitRead,
    dependencies=_MANAGES,
    responses=raises(
        TierNotFoundError,
        RateLimitNotFoundError,
        RateLimitPathTakenError,
        RateLimitNameTakenError,
        UnknownRouteError,
    ),
)
async def update_rate_limit(
    limits: RateLimitServiceDep, tier_id: UUID, rate_limit_id: UUID, data: RateLimitUpdate
) -> RateLimit:
    """Change the fields that are present and leave the others alone."""
    return await limits.update(tier_id, rate_limit_id, data)


@router.delete(
    _LIMIT,
    status_code=HTTPStatus.NO_CONTENT,
    dependencies=_MANAGES,
    responses=raises(TierNotFoundError, RateLimitNotFoundError),
)
async def delete_rate_limit(
    limits: RateLimitServiceDep, tier_id: UUID, rate_limit_id: UUID
) -> None:
    """Delete a rate limit; that of all routes counts instead, or the service's own."""
    await limits.delete(tier_id, rate_limit_id)


@user_router.get("/me/tier")
async def read_own_tier(
    user: Annotated[CurrentUser, requires(READ_PROFILE)], tiers: TierReaderDep
) -> UserTierRead:
    """Read which tier you have, and its rate limits."""
    return await tiers.of_user(user.id)


@user_router.get("/{user_id:uuid}/tier", dependencies=_READS, responses=raises(UserNotFoundError))
async def read_user_tier(tiers: TierReaderDep, user_id: UUID) -> UserTierRead:
    """Read which tier an account has, and its rate limits."""
    return await tiers.of_user(user_id)


@user_router.put(
    "/{user_id:uuid}/tier",
    responses=raises(InsufficientScopeError, OutrankedError, UserNotFoundError, UnknownTierError),
)
async def update_user_tier(
    caller: Annotated[CurrentUser, requires(MANAGE_TIERS)],
    tiers: TierServiceDep,
    user_id: UUID,
    data: UserTierUpdate,
) -> UserTierRead:
    """Give an account a tier; `null` leaves it the default one.

    Not your own account, and only one below your rank.
    """
    return await tiers.assign(user_id, data.tier_id, by=caller)
