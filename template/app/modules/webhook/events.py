"""What can be told of: each feature declares its own events."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel

from app.core.extensions import Extensions

from .models import EVENT_TYPE_LENGTH

Data = TypeVar("Data", bound=BaseModel)

# Standard Webhooks, "Event types".
_NAME = re.compile(r"[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent(Generic[Data]):
    """A kind of event that endpoints can ask for; an entry of `Feature.extensions`."""

    name: str
    """What it is about and what happened, such as `order.paid`."""
    model: type[Data]
    """Of the `data` that is sent. What is in it leaves the service: better ids than contents."""
    description: str


class Ping(BaseModel):
    """Of an event that only shows that the endpoint is reached."""

    endpoint_id: str


PING = WebhookEvent(
    name="webhook.ping",
    model=Ping,
    description="Sent once when the owner of an endpoint asks for it, whatever it listens to.",
)


class KnownEvents:
    """The events that features declare; a `ValueError` if one of them cannot be used."""

    def __init__(self, extensions: Extensions) -> None:
        events = extensions.of(WebhookEvent)
        self.by_name: Mapping[str, WebhookEvent[BaseModel]] = {it.name: it for it in events}
        if len(self.by_name) < len(events) or PING.name in self.by_name:
            raise ValueError("two webhook events have the same name")
        for name in self.by_name:
            if not _NAME.fullmatch(name) or len(name) > EVENT_TYPE_LENGTH:
                raise ValueError(f"the webhook event {name!r} needs a name such as order.paid")


def body_of(event: WebhookEvent[Data], data: Data) -> str:
    """What is sent, and stays the same in each attempt."""
    payload = {
        "type": event.name,
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": data.model_dump(mode="json", by_alias=True),
    }
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
