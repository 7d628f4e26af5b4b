from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class CallerCacheSettings(SettingsGroup):
    """Read from `CALLER_CACHE_*`."""

    ttl_seconds: Annotated[int, Field(ge=0, le=300)] = 15
    """0: off. What the service itself changes counts at once; this is how long a change made past
    it, by hand in the database, may go unseen."""
