from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.keys import token_hash
from app.modules.auth.sessions import LoginSessions
from app.modules.throttle.service import Limit, forget_attempts
from app.modules.user.models import CurrentUser
from app.modules.user.service import UserService

from .crud import RecoveryCodeCRUD, TotpDeviceCRUD
from .errors import AlreadyActiveError
from .factor import SecondFactor, canonical_code, new_recovery_code, qr_code
from .models import TotpDevice
from .schemas import EnrolmentRead, TwoFactorRead
from .settings import TwoFactorSettings

# One for each of some years, and few enough for a piece of paper.
RECOVERY_CODES = 10
_DAY_SECONDS = 86_400


class TwoFactorService:
    """The second factor of an account, in the transaction of `session`."""

    def __init__(
        self,
        session: AsyncSession,
        factor: SecondFactor,
        sessions: LoginSessions,
        events: SecurityEvents,
    ) -> None:
        self.devices = TotpDeviceCRUD(session)
        self.recovery_codes = RecoveryCodeCRUD(session)
        self.session = session
        self.factor = factor
        self.sessions = sessions
        self.events = events

    async def read(self, user_id: UUID) -> TwoFactorRead:
        device = await self.devices.active_of(user_id)
        left = await self.recovery_codes.left(user_id)
        return TwoFactorRead(
            is_active=device is not None,
            confirmed_at=device.confirmed_at if device else None,
            recovery_codes_left=left,
        )

    async def enrol(self, user: CurrentUser) -> EnrolmentRead:
        """Takes the place of an earlier enrolment that was not activated.

        Raises `AlreadyActiveError`.
        """
        secret = self.factor.new_secret()
        if not await self.devices.enrol(
            user.id, self.factor.secrets.encrypt(secret, user.id.bytes)
        ):
            raise AlreadyActiveError
        uri = self.factor.uri(secret, user.username)
        return EnrolmentRead(secret=secret, uri=uri, qr_code=qr_code(uri))

    async def activate(self, device: TotpDevice, step: int, *, keep: UUID | None) -> list[str]:
        """The recovery codes. Every login of the account ends but `keep`.

        Raises `AlreadyActiveError`.
        """
        user_id = device.user_id
        if not await self.devices.activate(device, step=step, now=datetime.now(UTC)):
            raise AlreadyActiveError
        codes = await self._new_recovery_codes(user_id)
        await self.sessions.revoke_all(user_id, but=keep)
        kept = None if keep is None else await self.sessions.get(keep)
        if kept is not None:
            await self.sessions.confirm(kept, frozenset({"otp"}))
        await self.events.record(self.session, "two_factor_enabled", user_id)
        return codes

    async def renew_recovery_codes(self, user_id: UUID) -> list[str]:
        """In place of all earlier ones."""
        codes = await self._new_recovery_codes(user_id)
        await self.events.record(self.session, "recovery_codes_renewed", user_id)
        return codes

    async def disable(self, user_id: UUID, *, keep: UUID | None) -> None:
        """Every login of the account ends but `keep`."""
        if await self._remove(user_id):
            await self.sessions.revoke_all(user_id, but=keep)
            await self.events.record(self.session, "two_factor_disabled", user_id)

    async def reset(self, user_id: UUID) -> bool:
        """For somebody who has lost everything: whether there was a second factor.

        Who asks for it must be shown to be the person before. Every login of the account ends.
        """
        was_active = await self._remove(user_id)
        if was_active:
            await self.sessions.revoke_all(user_id)
            await self.events.record(self.session, "two_factor_reset", user_id, is_warning=True)
        return was_active

    async def reset_managed(self, users: UserService, user_id: UUID, *, by: CurrentUser) -> None:
        """Raises `UserNotFoundError`, and `OutrankedError` unless the account is below theirs."""
        await users.require_rank(by, await users.get(user_id))
        await self.reset(user_id)

    async def _remove(self, user_id: UUID) -> bool:
        await self.recovery_codes.remove(user_id)
        for limit in limits(self.factor.settings):
            await forget_attempts(self.session, limit, str(user_id))
        return await self.devices.remove(user_id)

    async def _new_recovery_codes(self, user_id: UUID) -> list[str]:
        codes = [new_recovery_code() for _ in range(RECOVERY_CODES)]
        hashes = [token_hash(canonical_code(code)) for code in codes]
        await self.recovery_codes.replace(user_id, hashes)
        return codes


def limits(settings: TwoFactorSettings) -> tuple[Limit, Limit]:
    """Wrong codes of one account, in a short time and in a long one."""
    return (
        Limit(
            name="two-factor",
            most=settings.failures_per_window,
            window_seconds=settings.failure_window_seconds,
            event="two_factor_locked",
        ),
        # Not forgotten after a success: the owner's logins must not give a guesser another go.
        Limit(
            name="two-factor-day",
            most=settings.failures_per_day,
            window_seconds=_DAY_SECONDS,
            event="two_factor_locked",
        ),
    )


async def encrypt_anew(session: AsyncSession, factor: SecondFactor) -> tuple[int, int]:
    """How many secrets are now encrypted by the key in use, and how many no key reads."""
    devices = TotpDeviceCRUD(session)
    changed = unreadable = 0
    for device in await devices.all():
        found = factor.secrets.decrypt(device.encrypted_secret, device.user_id.bytes)
        if found is None:
            unreadable += 1
        elif not found[1]:
            sealed = factor.secrets.encrypt(found[0], device.user_id.bytes)
            changed += await devices.store_secret(device, sealed)
    return changed, unreadable
