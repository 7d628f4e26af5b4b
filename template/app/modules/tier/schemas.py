from typing import Annotated
from uuid import UUID

from pydantic import MISSING, AwareDatetime, Field

from app.modules.common.schemas import (
    ONE_LINE,
    SEVERAL_LINES,
    RecordSchema,
    RequestSchema,
    Schema,
)

from .models import DESCRIPTION_LENGTH, LIMIT_NAME_LENGTH, NAME_LENGTH, PATH_LENGTH

TierName = Annotated[str, Field(max_length=NAME_LENGTH, examples=["pro"]), ONE_LINE]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH), SEVERAL_LINES]
LimitName = Annotated[
    str, Field(max_length=LIMIT_NAME_LENGTH, examples=["Reading accounts"]), ONE_LINE
]
# No pattern: `RouteEnum` adds to the API's description which paths there are, and no other passes.
RoutePath = Annotated[str, Field(max_length=PATH_LENGTH, examples=["/api/v1/users/{user_id}"])]
# What the limiter counts to without losing precision, and the longest month.
Limit = Annotated[int, Field(gt=0, le=999_999, examples=[100])]
Period = Annotated[int, Field(gt=0, le=2_678_400, description="In seconds.", examples=[60])]


class TierBase(RequestSchema):
    name: TierName


class TierCreate(TierBase):
    description: Description | None = None


class TierRead(RecordSchema):
    name: str
    description: str | None
    is_deleted: bool


class TierUpdate(RequestSchema):
    """A field left out is left alone; only the description may be `null`."""

    name: TierName | MISSING = MISSING
    description: Description | MISSING | None = MISSING


class TierUpdateInternal(TierUpdate):
    """What is stored: only the service builds it. The database stamps `updated_at`."""

    deleted_at: AwareDatetime | MISSING = MISSING


class RateLimitBase(RequestSchema):
    path: RoutePath
    limit: Limit
    period: Period


class RateLimitCreate(RateLimitBase):
    """Without a `name` it is called by its path."""

    name: LimitName | MISSING = MISSING


class RateLimitCreateInternal(RateLimitBase):
    tier_id: UUID
    name: LimitName


class RateLimitRead(RecordSchema):
    tier_id: UUID
    name: str
    path: str
    limit: int
    period: int
    is_deleted: bool


class RateLimitUpdate(RequestSchema):
    """A field left out is left alone."""

    name: LimitName | MISSING = MISSING
    path: RoutePath | MISSING = MISSING
    limit: Limit | MISSING = MISSING
    period: Period | MISSING = MISSING


class UserTierUpdate(RequestSchema):
    tier_id: UUID | None
    """`null` takes the tier away: the default one counts again."""


class UserTierRead(Schema):
    """Which tier an account has, and what it limits."""

    tier_id: UUID | None
    """Absent where there is not even a default tier: the service's own limits hold."""
    tier: TierRead | None
    is_default: bool
    """Whether nobody gave it: it is that of all who have none of their own."""
    rate_limits: list[RateLimitRead]
    """By path, `*` first: that one is for the routes that are not listed. For those without any,
    the service's own limits hold."""
