from typing import Annotated, Self

from pydantic import Field, model_validator

from app.core.settings import SettingsGroup

Seconds = Annotated[float, Field(gt=0)]


class OutboxSettings(SettingsGroup):
    """Read from `OUTBOX_*`."""

    poll_interval_seconds: Seconds = 5
    """How often a process that serves looks for what others have left; what it stores itself it
    sends at once. An index answers, within a millisecond."""
    lease_seconds: Seconds = 30
    """How long messages belong to the process that is about to send them; if it dies, others send
    them so much later. It sends for half of that time, which is enough for thousands."""
    retry_wait_seconds: Seconds = 1
    """After the first failure; doubled each time, less up to a half at random."""
    retry_max_wait_seconds: Seconds = 30
    """So soon, at the latest, is it noticed that the broker is back."""
    stuck_after_seconds: Seconds = 60
    """A message that has waited so long makes the service degraded. Usually it is milliseconds, and
    half a minute while a broker restarts."""

    @model_validator(mode="after")
    def _waits_grow(self) -> Self:
        if self.retry_max_wait_seconds < self.retry_wait_seconds:
            raise ValueError("retry_max_wait_seconds must not be less than retry_wait_seconds")
        return self
