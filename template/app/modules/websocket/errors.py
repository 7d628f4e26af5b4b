from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    ThrottledError,
    UnavailableError,
)


class UnknownOriginError(ForbiddenError):
    code = "websocket.unknown_origin"
    title = "Unknown origin"

    def __init__(self) -> None:
        super().__init__("Pages of this site may not connect; CORS_ORIGINS names those that may.")


class TooManyConnectionsError(ThrottledError):
    code = "websocket.too_many_connections"
    title = "Too many connections"

    def __init__(self) -> None:
        # No telling when one ends; a minute is when a page that was closed is surely noticed.
        super().__init__("Close a connection of yours first.", retry_after_seconds=60)


class ConnectionsExhaustedError(UnavailableError):
    code = "websocket.connections_exhausted"
    title = "No connection left"

    def __init__(self) -> None:
        super().__init__("Try again: another process may have room.", retry_after_seconds=5)


class InvalidMessageError(InvalidError):
    """`reason` is Pydantic's name for what is wrong: nothing of what was sent is in it."""

    code = "websocket.invalid_message"
    title = "Invalid message"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The message is not valid: {reason}.")


class TooFastError(ThrottledError):
    code = "websocket.too_fast"
    title = "Too many messages"

    def __init__(self) -> None:
        super().__init__("The message was not read; send them more slowly.", retry_after_seconds=1)


class RoomRefusedError(ForbiddenError):
    """The same for a room that does not exist: who may not enter learns nothing about it."""

    code = "room.refused"
    title = "Room refused"

    def __init__(self) -> None:
        super().__init__("There is no such room for you.")


class PublishingRefusedError(ForbiddenError):
    code = "room.publishing_refused"
    title = "Publishing refused"

    def __init__(self) -> None:
        super().__init__("You may read in this room, not publish.")


class NotSubscribedError(ConflictError):
    code = "room.not_subscribed"
    title = "Not subscribed"

    def __init__(self) -> None:
        super().__init__("Subscribe to the room first.")


class TooManyRoomsError(ConflictError):
    code = "room.too_many"
    title = "Too many rooms"

    def __init__(self) -> None:
        super().__init__("Unsubscribe from a room first.")
