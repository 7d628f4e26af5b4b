"""What has happened, and how it is written down for whoever is told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

import structlog
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue
from uuid_utils.compat import uuid7

SOURCE_LENGTH = 200
ID_LENGTH = 200
_REQUEST_ID_LENGTH = 128
_TRACEPARENT = "traceparent"

# As CloudEvents forbids them; some databases cannot store all of them either.
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]+$"


class Event(BaseModel):
    """Something that has happened; its fields say what to.

    Ids rather than copies: rows may have changed when it is read, and what was copied is deleted
    with nobody's account.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_name: ClassVar[str]
    """Stable, in the past tense: `order.placed`."""
    event_version: ClassVar[int] = 1
    """Raised when a field changes its meaning or goes; a new one with a default needs none."""
    is_public: ClassVar[bool] = False
    """Whether other services are told as well."""


class Envelope(BaseModel):
    """An event with what CloudEvents 1.0 says about it: the same attributes, in the same JSON.

    `dataversion` and `requestid` are extensions of ours, `traceparent` is one that is documented
    with CloudEvents; those of others are ignored.
    """

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Field(max_length=ID_LENGTH, pattern=_NO_CONTROLS)]
    source: Annotated[str, Field(max_length=SOURCE_LENGTH, pattern=_NO_CONTROLS)]
    """Who tells it; `id` is unique among what they tell."""
    type: Annotated[str, Field(max_length=200, pattern=_NO_CONTROLS)]
    """The name of the event."""
    time: AwareDatetime | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataversion: int = 1
    requestid: Annotated[str | None, Field(max_length=_REQUEST_ID_LENGTH, pattern=_NO_CONTROLS)] = (
        None
    )
    """Of the request in which it happened, for the logs."""
    traceparent: Annotated[str | None, Field(max_length=200, pattern=_NO_CONTROLS)] = None
    """Of the trace in which it happened (W3C Trace Context)."""
    data: JsonValue = None

    @classmethod
    def of(
        cls, event: Event, *, source: str, carried: Mapping[str, str] | None = None
    ) -> "Envelope":
        """As of now, in the current request; its id is ordered by time (UUID version 7)."""
        return cls(
            id=str(uuid7()),
            source=source,
            type=event.event_name,
            time=datetime.now(UTC),
            dataversion=event.event_version,
            requestid=structlog.contextvars.get_contextvars().get("request_id"),
            traceparent=(carried or {}).get(_TRACEPARENT),
            data=event.model_dump(mode="json"),
        )

    @property
    def carried(self) -> Mapping[str, str]:
        """What is said about the work in which it happened; see `Operations`."""
        return {} if self.traceparent is None else {_TRACEPARENT: self.traceparent}

    def to_json(self) -> bytes:
        # An attribute without a value is left out.
        optional = ("time", "requestid", _TRACEPARENT)
        absent = {name for name in optional if getattr(self, name) is None}
        return self.model_dump_json(exclude=absent).encode()
