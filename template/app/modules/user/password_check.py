from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

from app.infrastructure.database.database import Database
from app.infrastructure.security.passwords import PasswordHasher
from app.infrastructure.security.settings import AuthSettings
from app.modules.throttle.service import Limit, Throttle

from .crud import UserCRUD
from .errors import WrongPasswordError


def password_limit(settings: AuthSettings) -> Limit:
    """Wrong passwords of somebody who is logged in."""
    return Limit(
        name="password",
        most=settings.failures_per_account,
        window_seconds=settings.failure_window_seconds,
    )


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Checks the password of somebody who is logged in already.

    It opens sessions of its own, so that no connection is held while a password is checked.
    """

    database: Database
    passwords: PasswordHasher
    throttle: Throttle
    settings: AuthSettings

    async def confirm(self, user_id: UUID, given: SecretStr | None) -> None:
        """Whoever stole a session must not guess on.

        Raises `WrongPasswordError`, for an account without a password too, and
        `TooManyAttemptsError`.
        """
        limit = password_limit(self.settings)
        await self.throttle.take(limit, str(user_id), user_id)
        async with self.database.reading() as session:
            user = await UserCRUD(session).get_with_password(user_id)
        hashed = user.hashed_password if user else None
        if given is None or not (await self.passwords.verify(given, hashed))[0]:
            async with self.database.transaction() as session:
                await self.throttle.events.record(
                    session, "password_refused", user_id, is_warning=True
                )
            raise WrongPasswordError
        await self.throttle.give_back(limit, str(user_id))
