from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.infrastructure.security.context import current_address
from app.infrastructure.security.events import SecurityEvents
from app.infrastructure.security.settings import AuthSettings
from app.modules.throttle.service import Limit, Throttle, forget_attempts
from app.modules.user.errors import UserNotFoundError
from app.modules.user.models import User
from app.modules.user.password_check import PasswordCheck, password_limit
from app.modules.user.passwords import check_password
from app.modules.user.schemas import canonical_email
from app.modules.user.service import (
    find_for_login,
    find_user,
    store_password_hash,
    strengthen_password_hash,
)

from .errors import InvalidCredentialsError
from .sessions import LoginSessions


class AuthService:
    """Checks and changes passwords.

    It opens sessions of its own, so that no connection is held while a password is checked, and
    that what a refusal counts and records is not rolled back with it.
    """

    def __init__(self, database: Database, check: PasswordCheck, events: SecurityEvents) -> None:
        self.database = database
        self.check = check
        self.events = events

    @property
    def settings(self) -> AuthSettings:
        return self.check.settings

    @property
    def throttle(self) -> Throttle:
        return self.check.throttle

    async def authenticate(self, identifier: str, password: SecretStr) -> User:
        """The account with this username or e-mail address, in any case, and password.

        Raises `InvalidCredentialsError`, whatever was wrong, and `TooManyAttemptsError`, whether
        there is such an account or not.
        """
        identifier = _canonical(identifier)
        async with self.database.reading() as session:
            user = await find_for_login(session, identifier)
        address = current_address()
        # A name that nobody has is counted like one that somebody has.
        subject = str(user.id) if user else identifier
        await self.throttle.take(address_limit(self.settings), address)
        await self.throttle.take(account_limit(self.settings), subject, user.id if user else None)
        is_right, better = await self.check.passwords.verify(
            password, user.hashed_password if user else None
        )
        async with self.database.transaction() as session:
            if user is not None and is_right and user.is_active:
                await forget_attempts(session, account_limit(self.settings), subject)
                if better is not None:
                    await strengthen_password_hash(session, user, better)
            else:
                await self.events.record(
                    session,
                    "login_failure",
                    user.id if user else None,
                    is_warning=True,
                    methods="pwd",
                )
        if user is None or not is_right or not user.is_active:
            raise InvalidCredentialsError
        await self.throttle.give_back(address_limit(self.settings), address)
        return user

    async def change_password(
        self, user_id: UUID, current: SecretStr, new: SecretStr, *, keep: UUID | None
    ) -> None:
        """Every session of the account ends but `keep`.

        Raises `WrongPasswordError` and `WeakPasswordError`.
        """
        await self.check.confirm(user_id, current)
        async with self.database.reading() as session:
            user = await find_user(session, user_id)
        if user is None:
            raise UserNotFoundError(user_id)
        hashed = await self.hash_for(user, new)
        async with self.database.transaction() as session:
            await self.replace_password(session, user_id, hashed, keep=keep)

    async def hash_for(self, user: User, password: SecretStr) -> str:
        """Raises `WeakPasswordError` for one that is not good enough for this account."""
        check_password(password, user.name, user.username, user.email)
        return await self.check.passwords.hash(password)

    async def replace_password(
        self, session: AsyncSession, user_id: UUID, hashed: str, *, keep: UUID | None = None
    ) -> None:
        """End the account's sessions and unlock it; whoever knew the old password is out."""
        await store_password_hash(session, user_id, hashed)
        await LoginSessions(session, self.events, self.settings).revoke_all(user_id, but=keep)
        await self.forget_failures(session, user_id)
        await self.events.record(session, "password_changed", user_id)

    async def unlock(self, session: AsyncSession, user_id: UUID) -> None:
        """Forget the failed logins of an account."""
        if await self.forget_failures(session, user_id):
            await self.events.record(session, "account_unlocked", user_id)

    async def forget_failures(self, session: AsyncSession, user_id: UUID) -> bool:
        limits = (account_limit(self.settings), password_limit(self.settings))
        forgotten = [await forget_attempts(session, limit, str(user_id)) for limit in limits]
        return any(forgotten)


def account_limit(settings: AuthSettings) -> Limit:
    """Failed logins to one account, by whatever name."""
    return Limit(
        name="login-account",
        most=settings.failures_per_account,
        window_seconds=settings.failure_window_seconds,
        event="account_locked",
    )


def address_limit(settings: AuthSettings) -> Limit:
    """Failed logins from one network address, to whatever account."""
    return Limit(
        name="login-address",
        most=settings.failures_per_address,
        window_seconds=settings.failure_window_seconds,
    )


def _canonical(identifier: str) -> str:
    if "@" not in identifier:
        return identifier.lower()
    try:
        return canonical_email(identifier)
    except ValueError:
        # Nobody has it; it goes the way of every name that nobody has.
        return identifier.lower()
