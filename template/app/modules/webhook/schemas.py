from typing import Annotated
from uuid import UUID

from pydantic import MISSING, AwareDatetime, Field

from app.modules.common.pagination import PageQuery
from app.modules.common.schemas import SEVERAL_LINES, RecordSchema, RequestSchema, Schema

from .models import (
    DESCRIPTION_LENGTH,
    EVENT_TYPE_LENGTH,
    URL_LENGTH,
    DeliveryError,
    DeliveryStatus,
    DisabledReason,
    WebhookEndpoint,
)

# A week: time for whoever has to bring the new secret to the receiver.
_LONGEST_OVERLAP_SECONDS = 604_800

Address = Annotated[
    str,
    Field(
        max_length=URL_LENGTH,
        # As it is sent: no blanks, nothing that would have to be encoded, no fragment.
        pattern=r"^https?://[\x21\x22\x24-\x7e]+$",
        description="Where events are sent to: of a public host, and https where deployed.",
        examples=["https://hooks.example.com/orders"],
    ),
]
EventType = Annotated[str, Field(max_length=EVENT_TYPE_LENGTH)]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=100)]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH), SEVERAL_LINES]


class EndpointCreate(RequestSchema):
    url: Address
    event_types: EventTypes
    description: Description | None = None


class EndpointUpdate(RequestSchema):
    """A field left out is left alone; only the description may be `null`."""

    url: Address | MISSING = MISSING
    event_types: EventTypes | MISSING = MISSING
    description: Description | MISSING | None = MISSING
    is_enabled: Annotated[
        bool | MISSING,
        Field(description="false: nothing is sent, and what was on its way is cancelled."),
    ] = MISSING


class SecretRotate(RequestSchema):
    overlap_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=_LONGEST_OVERLAP_SECONDS,
            description="How long deliveries are signed with the old secret as well; 0: not at "
            "all, for one that somebody else has seen.",
            examples=[86_400],
        ),
    ]


class EndpointRead(RecordSchema):
    """What is shown of an endpoint: all but its secret."""

    url: str
    description: str | None
    event_types: list[str]
    is_enabled: bool
    disabled_reason: DisabledReason | None
    consecutive_failures: int
    previous_secret_ends_at: AwareDatetime | None


class EndpointSecret(EndpointRead):
    """The only answers that have the secret."""

    secret: str

    @classmethod
    def of(cls, endpoint: WebhookEndpoint, secret: str) -> "EndpointSecret":
        return cls(**dict(EndpointRead.model_validate(endpoint)), secret=secret)


class DeliveryRead(RecordSchema):
    event_id: UUID
    """The `webhook-id` of every attempt."""
    event_type: str
    status: DeliveryStatus
    attempts: int
    response_status: int | None
    """Of the latest attempt. What else was answered is kept nowhere."""
    error: DeliveryError | None
    """Why there was no answer to it."""
    last_attempt_at: AwareDatetime | None
    next_attempt_at: AwareDatetime | None
    """The latest time for the next attempt; absent when there will be none."""


class DeliveryDetail(DeliveryRead):
    body: str
    """What is sent, to the byte."""


class DeliveryQuery(PageQuery):
    status: DeliveryStatus | None = None


class EventTypeRead(Schema):
    name: str
    description: str
