"""What follows from what happens to accounts."""

from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.security.events import SecurityEvent, SecurityEventListener
from app.modules.auth.steps import Login, LoginStep
from app.modules.user.models import User
from app.modules.user.service import find_user

from .crud import EmailTokenCRUD
from .errors import EmailNotVerifiedError
from .models import Purpose
from .post import Post
from .tokens import issue_token


class VerificationSender(SecurityEventListener):
    """Asks whoever registers to confirm the address."""

    def __init__(self, post: Post) -> None:
        self._post = post

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        if event.name != "account_registered" or event.target_id is None:
            return
        user = await find_user(session, event.target_id)
        if user is not None and not user.email_verified:
            await send_verification(session, self._post, user)


async def send_verification(session: AsyncSession, post: Post, user: User) -> None:
    token = await issue_token(session, post.settings, Purpose.VERIFY, user.id, user.email)
    post.send_after_commit(session, post.messages.verification(user, token))


class NoticeSender(SecurityEventListener):
    """Delivers every `Notice` to the address that the account has now."""

    def __init__(self, post: Post) -> None:
        self._post = post

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        notices = [notice for notice in self._post.notices if notice.event == event.name]
        if not notices or event.target_id is None:
            return
        user = await find_user(session, event.target_id)
        if user is not None:
            mails = [self._post.messages.notice(notice, event, user) for notice in notices]
            self._post.send_after_commit(session, *mails)


class TokenVoider(SecurityEventListener):
    """Calls off what was asked for before, maybe by somebody else."""

    _voided: ClassVar[dict[str, tuple[Purpose, ...]]] = {
        "password_changed": (Purpose.RESET, Purpose.CHANGE),
        "email_changed": (Purpose.RESET, Purpose.VERIFY, Purpose.CHANGE),
    }

    async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:
        purposes = self._voided.get(event.name)
        if purposes is not None and event.target_id is not None:
            await EmailTokenCRUD(session).void(event.target_id, purposes)


class VerifiedAddress(LoginStep):
    """Comes after the proof of identity: a stranger does not learn which addresses are open."""

    async def check(self, session: AsyncSession, login: Login) -> None:
        user = await find_user(session, login.user_id)
        if user is None or not user.email_verified:
            raise EmailNotVerifiedError
