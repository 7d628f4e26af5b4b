from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class TierSettings(SettingsGroup):
    """Read from `TIER_*`."""

    default: Annotated[str, Field(min_length=1, max_length=50)] = "free"
    """The name of the tier of everybody who was given none. While there is no such tier, the
    service's own limits hold for them."""
    cache_seconds: Annotated[float, Field(ge=0, le=3600)] = 30
    """How long each process remembers who has which tier, and the limits of a tier: so late does a
    change count in the other processes, and in all of them one that a command makes. Half a minute
    is short for whoever has paid for more, and spares an active user's requests nearly all of the
    queries. 0: a query for each request."""
    cache_size: Annotated[int, Field(ge=1)] = 10_000
    """Of how many users, in each process: some 3 MB. The others are asked for again."""
