from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class TwoFactorSettings(SettingsGroup):
    """Read from `TWO_FACTOR_*`."""

    # A colon would end it in the label that apps read.
    issuer: Annotated[str, Field(max_length=60, pattern=r"^[^:\x00-\x1f]*$")] = ""
    """The name under which authenticator apps list the account; empty: the service's title."""
    required_for_superusers: bool = False
    """Whether permissions that are not everybody's wait until the account has a second factor:
    those of superusers, and of whoever else was granted one."""
    failures_per_window: Annotated[int, Field(ge=1, le=100)] = 5
    """Wrong codes in `failure_window_seconds`, then a lock until its end. At most 100:
    NIST SP 800-63B section 3.2.2."""
    failure_window_seconds: Annotated[int, Field(ge=60, le=86_400)] = 900
    """A quarter of an hour, as for passwords."""
    failures_per_day: Annotated[int, Field(ge=1, le=1000)] = 30
    """Three of a million codes are right at any moment: at 30 a day, whoever knows the password
    needs 21 years for an even chance."""
