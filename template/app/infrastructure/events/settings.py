from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from app.core.settings import CommaSeparated, SettingsGroup
from app.infrastructure.redis.settings import RedisUrl

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class EventsSettings(SettingsGroup):
    """Read from `EVENTS_*`."""

    redis_url: RedisUrl | None = None
    """Another server than `REDIS_URL`, where that one may evict keys or belongs to this service
    alone."""
    sources: CommaSeparated = ()
    """The streams that `events consume` reads, `orders:events` for one; empty: this service's own,
    which is the prefix of its keys and `:events`."""
    stream_max_length: Count = 100_000
    """Of this service's stream, about; the oldest go first, read or not. A day at one event a
    second; half a kB each, 50 MB."""
    handler_timeout_seconds: Seconds = 30
    """Then a handler is cancelled, and its transaction undone. Handlers take milliseconds, and one
    that calls another service some seconds."""
    queue_length: Count = 1000
    """Events that wait for one handler of this process. More are lost, with a line in the log: what
    comes this much faster than it is handled would fill the memory."""
    shutdown_seconds: Seconds = 4
    """What runs when the process stops may finish within this time: open requests may take 25 of
    the 30 seconds that platforms give."""
    max_deliveries: Count = 5
    """Attempts with a public event before it is a dead letter; with the wait below, half a minute
    of trouble."""
    retry_wait_seconds: Seconds = 2
    """Before the second attempt; doubled for each further one."""
    claim_seconds: Seconds = 60
    """After which another consumer takes over what one has begun and not ended, because it died.
    More than a handler may take, or what is still running would be begun again."""
    dead_letters_max_length: Count = 10_000
    """The oldest go first. Somebody should have looked long before."""
    receipt_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    """How long it is known that an event was handled: longer than it lies in a stream, or among the
    dead letters."""
    heartbeat_folder: Path = Path("/tmp")  # noqa: S108 (of the container's own)
    """Where a consumer leaves the sign of life that the health command looks for."""
    inline: bool = False
    """True lets a request wait for its handlers: tests see at once what they did."""

    @model_validator(mode="after")
    def _nothing_is_begun_twice(self) -> Self:
        if self.claim_seconds <= self.handler_timeout_seconds:
            raise ValueError("claim_seconds must be more than handler_timeout_seconds")
        return self

    def wait_seconds(self, attempt: int) -> float:
        """Before the one after this."""
        return self.retry_wait_seconds * 2.0 ** (attempt - 1)

    def refusals(self) -> list[str]:
        return ["EVENTS_INLINE=true is for tests: unset it."] if self.inline else []
