import re
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    MISSING,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    computed_field,
)

from app.modules.auth.schemas import Words
from app.modules.common.schemas import ONE_LINE, RecordSchema, RequestSchema, Schema

from .models import NAME_LENGTH, ApiKey

# A week: long enough to bring a new key to every place that has the old one.
_LONGEST_OVERLAP_SECONDS = 604_800
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII
)


def _rfc_3339(value: Any) -> Any:  # noqa: ANN401 (before validation)
    # Pydantic would take a number too, for seconds or for milliseconds by its size.
    if value is None or (isinstance(value, str) and _RFC_3339.fullmatch(value)):
        return value
    raise ValueError("must be a time with its offset, such as 2030-12-31T00:00:00Z")


Name = Annotated[str, Field(max_length=NAME_LENGTH, examples=["Nightly report"]), ONE_LINE]
# RFC 6749 section 3.3.
Scope = Annotated[str, Field(max_length=100, pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]


class ApiKeyCreate(RequestSchema):
    name: Name
    scopes: Annotated[
        list[Scope],
        Field(
            min_length=1,
            max_length=100,
            description="What the key may do: names of permissions that you hold.",
            examples=[["profile:read"]],
        ),
    ]
    expires_at: Annotated[
        AwareDatetime | None,
        Field(description="When it ends by itself; absent: as late as the service allows."),
        BeforeValidator(_rfc_3339),
    ] = None


class ApiKeyUpdate(RequestSchema):
    """A field left out is left alone."""

    name: Name | MISSING = MISSING


class ApiKeyRotate(RequestSchema):
    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=_LONGEST_OVERLAP_SECONDS,
            description="How long the old key works beside the new one; 0: not a moment.",
            examples=[3600],
        ),
    ]


class ApiKeyRead(RecordSchema):
    """What is shown of a key: all but the key."""

    name: str
    prefix: str
    scopes: Words
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    last_used_address: str | None
    refused_at: AwareDatetime | None
    replaced_by_id: UUID | None

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know decorated properties
    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)


class ApiKeyGenerated(ApiKeyRead):
    """The only answer that has the key."""

    key: str

    @classmethod
    def of(cls, record: ApiKey, key: str) -> "ApiKeyGenerated":
        return cls(**dict(ApiKeyRead.model_validate(record)), key=key)


class ApiKeyExport(ApiKeyRead):
    revoked_at: AwareDatetime | None


class UsageRead(Schema):
    id: UUID
    at: AwareDatetime
    method: str
    route: str
    status: int
    duration_ms: float
    address: str | None


class UsageDayRead(Schema):
    day: date
    requests: int
    client_errors: int
    server_errors: int
    average_ms: float


class UsageDaysQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=366)] = 30
    """Today is one of them."""
