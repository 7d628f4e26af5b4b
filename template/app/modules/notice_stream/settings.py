from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class NoticeStreamSettings(SettingsGroup):
    """Read from `NOTICE_STREAM_*`."""

    connections: Annotated[int, Field(ge=1)] = 1000
    """Of a process. Each takes a file descriptor, of which a process mostly may have 1024."""
    connections_per_user: Annotated[int, Field(ge=1)] = 10
    """In each process: more tabs and devices than a person looks at."""
    history_length: Annotated[int, Field(ge=1)] = 200
    """Notices of a user that are kept, so that a client which was away misses none: at half a kB
    each 100 kB for a user. One that missed more is told to load its state anew."""
    retention_seconds: Annotated[int, Field(ge=43_200)] = 86_400
    """A day: how long they are kept for a client that does not come back. At least twice as long
    as a stream may last, which is what keeps them while one is open."""
    retry_seconds: Annotated[float, Field(ge=0.1)] = 3
    """How long clients wait before they connect again; each is told up to twice as much, so that
    not all of them come at once."""
    recheck_seconds: Annotated[float, Field(gt=0)] = 30
    """How long a login may be over, at most, before its streams are. What the service itself ends
    counts at once; this is for expiry, and for changes by hand in the database."""
    lifetime_seconds: Annotated[float, Field(gt=0, le=21_600)] = 3600
    """An hour; clients then connect again and go on where they were. So the streams spread over
    the processes that a deployment has added."""
