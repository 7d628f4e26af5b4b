from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.settings import SettingsGroup
from app.infrastructure.heartbeat.heartbeat import Heartbeat


def _is_understood(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if not parts.scheme or not (parts.netloc or parts.path.strip("/")):
        raise ValueError("must look like scheme://user:password@host:port/name")
    return value


Seconds = Annotated[float, Field(gt=0)]

# Of the processes that platforms ask for a sign of life.
WORKER, BEAT = "worker", "beat"


class CelerySettings(SettingsGroup):
    """Read from `CELERY_*`."""

    broker_url: Annotated[SecretStr, AfterValidator(_is_understood)] | None = None
    """Unset: tasks run in the process that asks for them, not where deployed."""
    queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=40)] = "tasks"
    """Services that share a broker need different ones."""
    dispatch_timeout_seconds: Seconds = 2
    """How long a request waits for a broker that does not answer; one that does takes a few
    milliseconds."""
    soft_time_limit_seconds: Seconds = 240
    """Then a task is cancelled, and its transaction undone. A minute before the hard limit: time
    to clear up."""
    time_limit_seconds: Seconds = 300
    """Then its process is killed. What takes more than five minutes is better cut into pieces."""
    retry_wait_seconds: Seconds = 2
    """Before the second attempt; doubled each time, less up to a half at random."""
    retry_max_wait_seconds: Seconds = 300
    """Longer ones gain little: six attempts take two minutes, ten take 20."""
    visibility_timeout_seconds: Seconds = 900
    """After which a task that nobody has finished is given to another worker, where the broker
    cannot tell that a worker died. More than a task may take and the longest wait together, or
    tasks that are running or waiting would be given out twice."""
    tasks_per_child: Annotated[int, Field(ge=1)] = 1000
    """Then a process is replaced, which gives back what libraries leak."""
    cancel_check_seconds: Seconds = 2
    """How often a running task that its owner can cancel looks whether they did."""
    dead_letter_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    """How long tasks that have failed for good are kept: time to notice, mend and requeue."""
    heartbeat_folder: Path = Path("/tmp")  # noqa: S108 (of the container's own)
    """Where workers and beat leave the signs of life that the health commands look for."""
    inline: bool = False
    """Without a broker, true lets a request wait for its tasks: tests see at once what they did."""

    @model_validator(mode="after")
    def _nothing_is_given_out_twice(self) -> Self:
        if self.soft_time_limit_seconds >= self.time_limit_seconds:
            raise ValueError("soft_time_limit_seconds must be less than time_limit_seconds")
        longest = self.time_limit_seconds + self.retry_max_wait_seconds
        if self.visibility_timeout_seconds <= longest:
            raise ValueError(
                "visibility_timeout_seconds must be more than time_limit_seconds and "
                "retry_max_wait_seconds together"
            )
        return self

    def heartbeat(self, name: str) -> Heartbeat:
        return Heartbeat(self.heartbeat_folder, f"celery-{name}")

    def refusals(self) -> list[str]:
        refused = []
        if self.broker_url is None:
            refused.append(
                "CELERY_BROKER_URL must name a broker: tasks that run in the process that asks "
                "for them are for development and tests."
            )
        return refused + self._inline_refusals()

    def _inline_refusals(self) -> list[str]:
        return ["CELERY_INLINE=true is for tests: unset it."] if self.inline else []


class SharedBrokerSettings(CelerySettings):
    """Without an address of its own it uses a server that another group names, and refuses."""

    def refusals(self) -> list[str]:
        return self._inline_refusals()
