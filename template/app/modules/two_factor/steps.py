"""Where the second factor has a say."""

from datetime import UTC, datetime
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import database_of
from app.infrastructure.security.dependencies import events_of
from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.modules.auth.steps import Login, LoginCompletion, LoginStep
from app.modules.throttle.service import Throttle
from app.modules.user.permissions import Condition

from .check import CodeCheck
from .crud import TotpDeviceCRUD
from .errors import ConfirmationRequiredError, EnrolmentRequiredError, TwoFactorRequiredError
from .factor import CHALLENGE_SECONDS, SecondFactor


class TwoFactorStep(LoginStep):
    """Halts a login until a code completes it, whatever the first factor was."""

    def __init__(self, factor: SecondFactor) -> None:
        self.factor = factor

    async def check(self, session: AsyncSession, login: Login) -> None:
        if "otp" in login.methods:
            return
        if await TotpDeviceCRUD(session).active_of(login.user_id) is None:
            return
        challenge = self.factor.issue_challenge(login)
        if login.grant is None:
            raise ConfirmationRequiredError(challenge, expires_in=CHALLENGE_SECONDS)
        raise TwoFactorRequiredError(challenge, grant=login.grant, expires_in=CHALLENGE_SECONDS)


class TwoFactorCompletion(LoginCompletion):
    def __init__(self, factor: SecondFactor) -> None:
        self.factor = factor

    async def redeem(
        self, connection: HTTPConnection, grant: str, challenge: SecretStr, code: SecretStr
    ) -> Login:
        """Raises `TwoFactorRefusedError` and `TooManyAttemptsError`."""
        database, events = database_of(connection), events_of(connection)
        check = CodeCheck(
            database,
            Throttle(database, events),
            events,
            self.factor,
            connection.state.auth_settings,
        )
        return await check.redeem(grant, challenge, code)


class TwoFactorCondition(Condition):
    """Who may do more than everybody needs a second factor."""

    async def check(self, session: AsyncSession, user_id: UUID) -> None:
        if await TotpDeviceCRUD(session).active_of(user_id) is None:
            raise EnrolmentRequiredError


class PasswordListener(SecurityEventListener):
    """Whoever began a login with the former password cannot end it."""

    def __init__(self, factor: SecondFactor) -> None:
        self.factor = factor

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if event.name == "password_changed" and event.target_id is not None:
            now = datetime.fromtimestamp(self.factor.clock(), UTC)
            await TotpDeviceCRUD(session).void_challenges(event.target_id, now)
