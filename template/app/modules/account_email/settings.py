from typing import Annotated

from pydantic import Field

from app.core.settings import SettingsGroup


class AccountEmailSettings(SettingsGroup):
    """Read from `ACCOUNT_EMAIL_*`."""

    verification_required: bool = False
    """Whether who has not confirmed their address is kept from logging in."""
    verification_ttl_seconds: Annotated[int, Field(ge=3600, le=2_592_000)] = 86_400
    """A day: many read the mail in the evening, or the next morning."""
    reset_ttl_seconds: Annotated[int, Field(ge=300, le=3600)] = 1800
    """Half an hour: servers may hold a mail back for some minutes, and the link opens the account
    to everybody who finds it."""
    change_ttl_seconds: Annotated[int, Field(ge=300, le=86_400)] = 3600
    """An hour: who asks is at the screen, and the new mailbox may take a login of its own."""
    mails_per_mailbox: Annotated[int, Field(ge=1)] = 5
    """Of each kind, in an hour: some get lost, more are a nuisance."""
    mails_per_address: Annotated[int, Field(ge=1)] = 20
    """Of each kind that one network address asks for, in an hour. Not fewer: an office or a campus
    has one address."""
