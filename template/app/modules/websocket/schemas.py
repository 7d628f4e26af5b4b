"""What is said over a connection, in both directions: JSON objects, told apart by `type`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue, TypeAdapter

from app.modules.common.schemas import RequestSchema, Schema

RoomName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z_]{0,29}:[A-Za-z0-9_-]{1,64}$",
        description="The kind of the room and which one it is.",
        examples=["user:0197f9c4-5bd5-7b1c-a3f2-3c1f5c1f0a11"],
    ),
]
Reference = Annotated[
    # What a double holds exactly, so that JavaScript gets back what it sent.
    int, Field(ge=0, le=2**53 - 1, description="Of your choice; the answer has it too.")
]


class ClientMessage(RequestSchema):
    ref: Reference | None = None


class Subscribe(ClientMessage):
    """Enter a room, to receive what is sent to it."""

    type: Literal["subscribe"]
    room: RoomName


class Unsubscribe(ClientMessage):
    """Leave a room."""

    type: Literal["unsubscribe"]
    room: RoomName


class Publish(ClientMessage):
    """Send something to everybody in a room, yourself included."""

    type: Literal["publish"]
    room: RoomName
    data: JsonValue


class Ping(ClientMessage):
    """Ask whether the service is still there. Browsers cannot send a WebSocket's own pings."""

    type: Literal["ping"]


AnyClientMessage = Annotated[Subscribe | Unsubscribe | Publish | Ping, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[AnyClientMessage] = TypeAdapter(AnyClientMessage)


class Answer(Schema):
    ref: int | None
    """Absent where the message could not be read, or there was none."""


class Welcome(Schema):
    """The first message of every connection."""

    type: Literal["welcome"] = "welcome"
    connection_id: UUID
    user_id: UUID


class Subscribed(Answer):
    type: Literal["subscribed"] = "subscribed"
    room: str


class Unsubscribed(Answer):
    """You are out of the room: by your wish, or, without a `ref`, because the right to it ended."""

    type: Literal["unsubscribed"] = "unsubscribed"
    room: str


class Published(Answer):
    """The service has taken it; who of the others gets it, nobody knows."""

    type: Literal["published"] = "published"
    room: str


class Delivery(Schema):
    """What somebody, or the service itself, has sent to a room."""

    type: Literal["message"] = "message"
    room: str
    data: JsonValue
    sender_id: UUID | None
    sent_at: datetime


class Pong(Answer):
    type: Literal["pong"] = "pong"


class Failure(Answer):
    """A message was not followed. Too many of them close the connection."""

    type: Literal["error"] = "error"
    code: str
    detail: str


AnyServerMessage = Annotated[
    Welcome | Subscribed | Unsubscribed | Published | Delivery | Pong | Failure,
    Field(discriminator="type"),
]
SERVER_MESSAGE: TypeAdapter[AnyServerMessage] = TypeAdapter(AnyServerMessage)
