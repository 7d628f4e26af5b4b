from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.throttle.service import Throttle
from app.modules.user.accounts import EmailChange
from app.modules.user.models import User
from app.modules.user.service import find_for_login

from .limits import take_mail
from .models import Purpose
from .post import Post
from .tokens import issue_token


class ConfirmedEmailChange(EmailChange):
    """Takes a new address only from whoever reads its mail.

    An address of another account is treated like any other up to the text of the mail: the same
    queries, the same rows, as many mails to the same mailboxes, so that neither the answer nor its
    time tells who has an account. At the confirmation the unique index decides.
    """

    def __init__(self, post: Post) -> None:
        self._post = post

    async def admit(self, throttle: Throttle, user_id: UUID, email: str) -> None:
        await take_mail(throttle, self._post.settings, Purpose.CHANGE, email, asked_by=user_id)

    async def request(self, session: AsyncSession, user: User, email: str) -> None:
        messages = self._post.messages
        token = await issue_token(session, self._post.settings, Purpose.CHANGE, user.id, email)
        is_taken = await find_for_login(session, email) is not None
        to_new = messages.taken(email) if is_taken else messages.change(user, email, token)
        self._post.send_after_commit(session, to_new, messages.change_requested(user))
