from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class WebsocketSettings(SettingsGroup):
    """Read from `WEBSOCKET_*`. What is counted is counted in each process."""

    connections: Annotated[int, Field(ge=1)] = 1000
    """Of a process. Each takes a file descriptor, of which a process mostly may have 1024, and some
    40 kB."""
    connections_per_user: Annotated[int, Field(ge=1)] = 10
    """More tabs and devices than a person looks at."""
    rooms_per_connection: Annotated[int, Field(ge=1)] = 50
    """More than a page shows."""
    max_message_bytes: Annotated[int, Field(ge=256, le=1_048_576)] = 16_384
    """Of a client's message. The server keeps this limit too, for every WebSocket of the service,
    so that it need not read what is too large to the end."""
    messages_per_second: Annotated[int, Field(ge=1)] = 10
    """From one connection; as many more may come at once. Typing is slower."""
    errors_per_minute: Annotated[int, Field(ge=1)] = 20
    """Then the connection is closed. A client that makes so many mistakes does not read answers."""
    queue_size: Annotated[int, Field(ge=1)] = 100
    """Messages that wait for a connection which takes them too slowly; one more closes it, so that
    it can come back and ask for the present state."""
    send_timeout_seconds: Annotated[int, Field(ge=1)] = 10
    """How long one message may take on its way. Longer than a telephone changes networks."""
    heartbeat_seconds: Annotated[int, Field(ge=1)] = 20
    """The server pings so often, and waits as long for the answer: a dead peer is found within
    twice this time. Proxies close what is silent for 60 seconds."""
    recheck_seconds: Annotated[int, Field(ge=1)] = 30
    """How long a login may be over, at most, before its connections are. What the service itself
    ends counts at once; this is for expiry, and for changes by hand in the database."""
    lifetime_seconds: Annotated[int, Field(ge=60)] = 3600
    """An hour; clients then connect again. Whatever only a handshake asks is asked again, and the
    connections spread over the processes that a deployment has added."""
