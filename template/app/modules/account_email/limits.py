from uuid import UUID

from app.infrastructure.security.context import current_address
from app.infrastructure.security.settings import AuthSettings
from app.modules.throttle.service import Limit, Throttle

from .models import Purpose
from .settings import AccountEmailSettings

_WINDOW_SECONDS = 3600


async def take_mail(
    throttle: Throttle,
    settings: AccountEmailSettings,
    purpose: Purpose,
    email: str,
    *,
    asked_by: UUID | None = None,
) -> None:
    """Count a mail, whether or not it will be sent: the refusal tells nothing about the mailbox.

    Raises `TooManyAttemptsError`. It comes back before the mailbox is counted where the network
    address has had its share: one place alone cannot use up everybody's.
    """
    per_address, per_mailbox = settings.mails_per_address, settings.mails_per_mailbox
    await throttle.take(_limit(f"mail-{purpose}-address", per_address), current_address())
    if asked_by is not None:
        await throttle.take(_limit(f"mail-{purpose}-account", per_mailbox), str(asked_by), asked_by)
    await throttle.take(_limit(f"mail-{purpose}-mailbox", per_mailbox), email)


def refusals_limit(settings: AuthSettings) -> Limit:
    """Tokens that do not count, from one network address: as many as wrong passwords."""
    return Limit(
        name="mail-token",
        most=settings.failures_per_address,
        window_seconds=settings.failure_window_seconds,
    )


def _limit(name: str, most: int) -> Limit:
    return Limit(name=name, most=most, window_seconds=_WINDOW_SECONDS)
