from datetime import timedelta
from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class WebhookSettings(SettingsGroup):
    """Read from `WEBHOOK_*`."""

    endpoints_per_user: Annotated[int, Field(ge=1, le=100)] = 5
    """One for production, one to try things out, and some to spare: each is a request for every
    event."""
    outgoing_per_hour: Annotated[int, Field(ge=1)] = 120
    """What one account can have us look up or send by hand: registrations, changes of an address,
    pings, redeliveries. A person needs fewer, and nobody can use us to pester others."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 15
    """For an answer. Standard Webhooks recommends 15 to 30; a task waits meanwhile."""
    attempts: Annotated[int, Field(ge=1, le=12)] = 7
    """The first included. With the waits below they take 23 hours: a night, and the working hours
    in which somebody mends it."""
    retry_wait_seconds: Annotated[float, Field(ge=0, le=3600)] = 60
    """Before the second attempt: a restart takes less. Each further one takes four times as long:
    1, 4 and 16 minutes, 1, 4 and 17 hours; a tenth more or less at random."""
    failures_until_disabled: Annotated[int, Field(ge=1)] = 5
    """Deliveries in a row, each given up after all its attempts, until the endpoint is disabled and
    its owner is told. Since each has taken a day, it was no short outage."""
    sweep_interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    """How often what is due is looked for: as late may a retry be."""
    retention_days: Annotated[int, Field(ge=2, le=3650)] = 30
    """How long deliveries are kept, with what was sent: time to notice that a receiver was wrong
    and to have it sent again. They are personal data, perhaps."""

    def wait(self, attempt: int) -> timedelta:
        """Between this attempt, the first being 1, and the next one."""
        return timedelta(seconds=self.retry_wait_seconds * 4.0 ** (attempt - 1))
