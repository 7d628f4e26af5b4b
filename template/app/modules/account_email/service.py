from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.context import current_address, name_actor
from app.infrastructure.security.keys import token_hash
from app.modules.auth.service import AuthService
from app.modules.user.models import User
from app.modules.user.service import find_for_login, find_user, store_email

from .crud import EmailTokenCRUD, Redeemed
from .errors import InvalidEmailTokenError
from .limits import refusals_limit, take_mail
from .listeners import send_verification
from .models import Purpose
from .post import Post
from .tokens import issue_token

logger = structlog.get_logger()


class AccountEmailService:
    """Mails links, and does what they are good for.

    It opens sessions of its own, as `AuthService` does and for the same reasons.
    """

    def __init__(self, auth: AuthService, post: Post) -> None:
        self.auth = auth
        self.post = post

    async def admit(self, purpose: Purpose, email: str) -> None:
        """Raises `TooManyAttemptsError`, whether there is such an account or not."""
        await take_mail(self.auth.throttle, self.post.settings, purpose, email)

    async def mail_verification(self, email: str) -> None:
        """To be run behind the answer, whose time would tell whether there is such an account."""
        await _logged(self._mail_verification(email))

    async def mail_reset(self, email: str) -> None:
        """To be run behind the answer, as `mail_verification`."""
        await _logged(self._mail_reset(email))

    async def _mail_verification(self, email: str) -> None:
        async with self.auth.database.transaction() as session:
            user = await find_for_login(session, email)
            if user is not None and user.is_active and not user.email_verified:
                await send_verification(session, self.post, user)

    async def _mail_reset(self, email: str) -> None:
        async with self.auth.database.transaction() as session:
            user = await find_for_login(session, email)
            if user is None or not user.is_active:
                return
            token = await issue_token(
                session, self.post.settings, Purpose.RESET, user.id, user.email
            )
            await self.auth.events.record(session, "password_reset_requested", user.id)
            self.post.send_after_commit(session, self.post.messages.reset(user, token))

    async def verify(self, token: SecretStr) -> None:
        """Raises `InvalidEmailTokenError`."""
        async with self._refusals(Purpose.VERIFY), self.auth.database.transaction() as session:
            user, _ = await self._redeem(session, Purpose.VERIFY, token)
            await self._mark_verified(session, user)

    async def reset_password(self, token: SecretStr, new: SecretStr) -> None:
        """Nobody is logged in by it: a login takes what it takes, with the new password.

        Raises `InvalidEmailTokenError`, and `WeakPasswordError`, which leaves the token unused.
        """
        async with self._refusals(Purpose.RESET):
            async with self.auth.database.reading() as session:
                tokens = EmailTokenCRUD(session)
                found = await tokens.find_open(Purpose.RESET, _hash(token), datetime.now(UTC))
                user, _ = await _owner(session, Purpose.RESET, found)
            hashed = await self.auth.hash_for(user, new)
            async with self.auth.database.transaction() as session:
                user, _ = await self._redeem(session, Purpose.RESET, token)
                await self._mark_verified(session, user)
                await self.auth.replace_password(session, user.id, hashed)

    async def change_email(self, token: SecretStr) -> None:
        """Raises `InvalidEmailTokenError`, and `EmailTakenError`, which leaves the token unused."""
        async with self._refusals(Purpose.CHANGE), self.auth.database.transaction() as session:
            user, email = await self._redeem(session, Purpose.CHANGE, token)
            farewell = self.post.messages.changed(user)
            await store_email(session, user, email, is_verified=True)
            await self.auth.events.record(session, "email_changed", user.id)
            self.post.send_after_commit(session, farewell)

    async def _mark_verified(self, session: AsyncSession, user: User) -> None:
        if not user.email_verified:
            await store_email(session, user, user.email, is_verified=True)
            await self.auth.events.record(session, "email_verified", user.id)

    async def _redeem(
        self, session: AsyncSession, purpose: Purpose, token: SecretStr
    ) -> tuple[User, str]:
        """The account, and the address that the link was sent to."""
        used = await EmailTokenCRUD(session).use(purpose, _hash(token), datetime.now(UTC))
        user, email = await _owner(session, purpose, used)
        # Whoever has the link is taken for the account's owner, so what follows is their doing.
        name_actor(user.id)
        return user, email

    @asynccontextmanager
    async def _refusals(self, purpose: Purpose) -> AsyncGenerator[None]:
        """Record tokens that do not count, behind the transaction that they undo.

        Nobody guesses one: the limit only keeps what is recorded within bounds, so it is taken
        after the attempt and never keeps a good one out. Raises `TooManyAttemptsError`.
        """
        try:
            yield
        except InvalidEmailTokenError:
            address = current_address()
            await self.auth.throttle.take(refusals_limit(self.auth.settings), address)
            async with self.auth.database.transaction() as session:
                await self.auth.events.record(
                    session, "email_token_refused", None, is_warning=True, purpose=purpose
                )
            raise


async def _owner(
    session: AsyncSession, purpose: Purpose, found: Redeemed | None
) -> tuple[User, str]:
    """Raises `InvalidEmailTokenError` also where the account is closed or has moved on."""
    if found is None:
        raise InvalidEmailTokenError
    user = await find_user(session, found.user_id)
    if user is None or not user.is_active:
        raise InvalidEmailTokenError
    if purpose is not Purpose.CHANGE and found.email != user.email:
        raise InvalidEmailTokenError
    return user, found.email


def _hash(token: SecretStr) -> str:
    return token_hash(token.get_secret_value())


async def _logged(job: Awaitable[None]) -> None:
    """The answer is out, so nobody but the log can be told what goes wrong."""
    try:
        await job
    except Exception:
        logger.exception("a mail could not be prepared")
