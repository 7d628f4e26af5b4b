from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.infrastructure.database.database import Database
from app.infrastructure.security.context import current_address
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.keys import token_hash
from app.infrastructure.security.settings import AuthSettings
from app.modules.auth.service import address_limit
from app.modules.auth.sessions import LoginSessions
from app.modules.auth.steps import Login
from app.modules.throttle.service import Throttle, forget_attempts
from app.modules.user.service import find_user

from .crud import RecoveryCodeCRUD, TotpDeviceCRUD, UsedChallengeCRUD
from .errors import AlreadyActiveError, NotActiveError, TwoFactorRefusedError, WrongCodeError
from .factor import CHALLENGE_SECONDS, Challenge, SecondFactor, canonical_code
from .models import TotpDevice
from .service import TwoFactorService, limits

_TOTP_DIGITS = 6

logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CodeCheck:
    """Checks codes and uses them up.

    It opens transactions of its own, so that what a refusal counts and records is not rolled back
    with it: to be called before the session of the request is used.
    """

    database: Database
    throttle: Throttle
    events: SecurityEvents
    factor: SecondFactor
    settings: AuthSettings

    async def is_active(self, user_id: UUID) -> bool:
        async with self.database.reading() as session:
            return await TotpDeviceCRUD(session).active_of(user_id) is not None

    async def confirm(self, user_id: UUID, code: SecretStr) -> None:
        """Of an app, or a recovery code.

        Raises `NotActiveError`, `WrongCodeError` and `TooManyAttemptsError`.
        """
        async with self._attempt(user_id) as session:
            await self._use(session, user_id, code)

    async def activate(self, user_id: UUID, code: SecretStr, *, keep: UUID | None) -> list[str]:
        """Show that the app has the secret: the recovery codes.

        Every login of the account ends but `keep`. Raises `NotActiveError` if nothing was enrolled,
        `AlreadyActiveError`, `WrongCodeError` and `TooManyAttemptsError`.
        """
        async with self._attempt(user_id) as session:
            device = await TotpDeviceCRUD(session).of(user_id)
            if device is None:
                raise NotActiveError
            if device.confirmed_at is not None:
                raise AlreadyActiveError
            step, _ = self._step_of(device, code)
            if step is None:
                raise WrongCodeError
            sessions = LoginSessions(session, self.events, self.settings)
            service = TwoFactorService(session, self.factor, sessions, self.events)
            return await service.activate(device, step, keep=keep)

    async def confirm_again(self, user_id: UUID, challenge: SecretStr, code: SecretStr) -> Login:
        """The second half of what somebody who is logged in proves again.

        Raises as `confirm` does.
        """
        found = self.factor.read_challenge(challenge.get_secret_value())
        if found is None or found.login.grant is not None or found.login.user_id != user_id:
            raise WrongCodeError
        return await self._meet(found, code)

    async def redeem(self, grant: str, challenge: SecretStr, code: SecretStr) -> Login:
        """The login that the challenge stands for, with its second factor.

        Raises `TwoFactorRefusedError`, whatever was wrong, and `TooManyAttemptsError`.
        """
        address = current_address()
        await self.throttle.take(address_limit(self.settings), address)
        found = self.factor.read_challenge(challenge.get_secret_value())
        if found is None or found.login.grant != grant:
            await self._record_failure(found.login.user_id if found else None)
            raise TwoFactorRefusedError
        try:
            login = await self._meet(found, code)
        except (WrongCodeError, NotActiveError):
            raise TwoFactorRefusedError from None
        await self.throttle.give_back(address_limit(self.settings), address)
        return login

    async def _meet(self, challenge: Challenge, code: SecretStr) -> Login:
        login = challenge.login
        async with self._attempt(login.user_id) as session:
            device = await self._use(session, login.user_id, code)
            issued_at = datetime.fromtimestamp(challenge.issued_at, UTC)
            user = await find_user(session, login.user_id)
            is_void = device.challenges_from is not None and issued_at <= device.challenges_from
            if user is None or not user.is_active or is_void:
                raise WrongCodeError
            expires_at = issued_at + timedelta(seconds=CHALLENGE_SECONDS)
            # Last: for a used one the code was not used up either.
            if not await UsedChallengeCRUD(session).use(challenge.id, expires_at):
                raise WrongCodeError
        return replace(login, methods=login.methods | {"otp"})

    @asynccontextmanager
    async def _attempt(self, user_id: UUID) -> AsyncGenerator[AsyncSession]:
        """A transaction for one attempt, which counts as failed unless it comes to its end."""
        short, long = limits(self.factor.settings)
        subject = str(user_id)
        await self.throttle.take(short, subject, user_id)
        await self.throttle.take(long, subject, user_id)
        try:
            async with self.database.transaction() as session:
                yield session
                await forget_attempts(session, short, subject)
        except WrongCodeError:
            await self._record_failure(user_id)
            raise
        except ConflictError:
            # There was nothing to guess.
            await self.throttle.give_back(short, subject)
            await self.throttle.give_back(long, subject)
            raise
        await self.throttle.give_back(long, subject)

    async def _record_failure(self, user_id: UUID | None) -> None:
        async with self.database.transaction() as session:
            await self.events.record(session, "two_factor_failed", user_id, is_warning=True)

    async def _use(self, session: AsyncSession, user_id: UUID, code: SecretStr) -> TotpDevice:
        device = await TotpDeviceCRUD(session).active_of(user_id)
        if device is None:
            raise NotActiveError
        text = canonical_code(code.get_secret_value())
        use = self._use_totp if len(text) == _TOTP_DIGITS else self._use_recovery_code
        if not await use(session, device, text):
            raise WrongCodeError
        return device

    async def _use_totp(self, session: AsyncSession, device: TotpDevice, code: str) -> bool:
        step, sealed = self._step_of(device, SecretStr(code))
        return step is not None and await TotpDeviceCRUD(session).use_step(device, step, sealed)

    async def _use_recovery_code(
        self, session: AsyncSession, device: TotpDevice, code: str
    ) -> bool:
        codes, user_id = RecoveryCodeCRUD(session), device.user_id
        if not await codes.use(user_id, token_hash(code), datetime.now(UTC)):
            return False
        left = await codes.left(user_id)
        await self.events.record(
            session, "recovery_code_used", user_id, actor_id=user_id, is_warning=True, left=left
        )
        return True

    def _step_of(self, device: TotpDevice, code: SecretStr) -> tuple[int | None, str]:
        """The step of the code, and the secret as it is to be stored: with the key in use."""
        sealed, context = device.encrypted_secret, device.user_id.bytes
        found = self.factor.secrets.decrypt(sealed, context)
        if found is None:
            logger.error("no SECRET_KEY reads a stored secret", user_id=str(device.user_id))
            return None, sealed
        secret, is_newest = found
        if not is_newest:
            sealed = self.factor.secrets.encrypt(secret, context)
        return self.factor.step_of(secret, canonical_code(code.get_secret_value())), sealed
