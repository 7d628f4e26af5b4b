import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.infrastructure.security.context import ADDRESS_LENGTH
from app.modules.common.pagination import CursorQuery
from app.modules.common.schemas import ONE_LINE, Schema

from .models import NAME_LENGTH

# RFC 3339, with the seconds and the offset that readers of logs leave no doubt about.
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$"


def _written_out(value: object) -> object:
    # Pydantic would take a bare number for seconds or milliseconds since 1970.
    if isinstance(value, str) and not re.fullmatch(_TIME, value, re.ASCII):
        raise ValueError("must look like 2026-01-31T12:00:00Z")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        # The offset leads to before the first or behind the last day there is.
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        return first if value.year == 1 else last


Moment = Annotated[
    AwareDatetime,
    Field(json_schema_extra={"pattern": _TIME}, examples=["2026-01-31T12:00:00Z"]),
    BeforeValidator(_written_out),
    AfterValidator(_in_utc),
]
EventName = Annotated[
    str,
    Field(max_length=NAME_LENGTH, pattern=r"^[a-z][a-z0-9_]*$", examples=["login_failure"]),
]
Address = Annotated[str, Field(max_length=ADDRESS_LENGTH, examples=["203.0.113.7"]), ONE_LINE]


class AuditQuery(CursorQuery):
    """What to look for; an event has to meet all of it."""

    name: list[EventName] = Field(default_factory=list, max_length=20, description="Any of these.")
    actor_id: UUID | None = None
    target_id: UUID | None = None
    address: Address | None = None
    request_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{8,128}$")] | None = None
    is_warning: bool | None = None
    since: Moment | None = None
    until: Annotated[Moment, Field(description="Not included itself.")] | None = None


class AuditEventRead(Schema):
    id: UUID
    at: AwareDatetime
    name: str
    is_warning: bool
    actor_id: UUID | None
    """Who did it; absent for a stranger, who has an `address`, and for a command."""
    target_id: UUID | None
    """The account it happened to."""
    address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]


class OwnEventRead(Schema):
    """What happened to your account; of others it does not tell who they are nor from where."""

    id: UUID
    at: AwareDatetime
    name: str
    is_warning: bool
    is_by_you: bool
    """Whether it was done with a login of yours."""
    address: str | None
    user_agent: str | None
    details: dict[str, Any]
