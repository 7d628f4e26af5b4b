from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class IdempotencySettings(SettingsGroup):
    """Read from `IDEMPOTENCY_*`."""

    ttl_seconds: Annotated[int, Field(ge=3600, le=2_592_000)] = 86_400
    """How long a key stands for its first request: a day. Programs retry within minutes, people who
    restart a job that failed at night do so in the morning."""
    lease_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How long a request without an answer counts as running. Longer than requests take, most
    platforms cut them off by then; and so long the key of a process that died is blocked."""
    max_response_bytes: Annotated[int, Field(ge=0, le=10_485_760)] = 65_536
    """Of a body to be kept; a larger one is sent once and not again. 64 KiB: answers to a POST are
    a few kB, and the database keeps a day of them."""
