from typing import Annotated

from pydantic import AfterValidator, Field

from app.core.settings import SettingsGroup
from app.infrastructure.redis.settings import RedisUrl

from .limits import RateLimit


def _is_understood(notation: str) -> str:
    RateLimit.parse(notation)
    return notation


Notation = Annotated[str, AfterValidator(_is_understood)]
"""`300/minute`, `5/15 minutes`, with second, minute, hour or day."""


class RateLimitSettings(SettingsGroup):
    """Read from `RATE_LIMIT_*`."""

    enabled: bool = True
    default: Notation = "300/minute"
    """Of one account on one route, unless the route says otherwise. Five a second: a
    page of a frontend sends a dozen at once, a program in a loop hundreds a second."""
    anonymous: Notation = "120/minute"
    """Of one network address on one route, for who is not logged in. Not fewer: an office or a
    campus has one address."""
    redis_url: RedisUrl | None = None
    """Another server than `REDIS_URL`, where that one may evict keys: forgotten is not counted."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 0.5
    """For counting one request, which takes a millisecond. What takes longer is let through
    uncounted; while Redis is out of reach, one request every two seconds waits for it."""
