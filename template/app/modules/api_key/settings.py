from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class ApiKeySettings(SettingsGroup):
    """Read from `API_KEY_*`."""

    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,9}$")] = "sk"
    """What new keys begin with: a short word for the product tells who finds one whose it is.
    Changing it ends no key."""
    keys_per_user: Annotated[int, Field(ge=1, le=1000)] = 20
    """Live ones at once: more than a person has programs."""
    longest_ttl_days: Annotated[int, Field(ge=0, le=3650)] = 365
    """The latest end of a key, and that of one for which none is asked: a forgotten one does not
    stay a risk for ever. 0: a key may live until it is revoked."""
    generations_per_hour: Annotated[int, Field(ge=1)] = 60
    """By one account, rotations included: all keys three times over."""
    usage_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long the record of each request is kept, with its network address: long enough to look
    into an incident. 0: none is written. The totals of each day stay."""
    flush_interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 5
    """How often each process writes down what keys were used for: what a crash loses at most, and
    how late `last_used_at` may be."""
