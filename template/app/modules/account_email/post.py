from collections.abc import Sequence
from functools import partial

import structlog
from anyio import create_task_group
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.extensions import Extensions
from app.infrastructure.database.after_commit import after_commit
from app.infrastructure.email.errors import MailNotSentError
from app.infrastructure.email.mailer import Mailer
from app.infrastructure.email.templates import ActionEmail, EmailTemplates
from app.infrastructure.security.notices import Notice

from .messages import Messages
from .settings import AccountEmailSettings

logger = structlog.get_logger()


class Post:
    """Sends mails once what they tell of is stored; usable while the service runs.

    What is listed as an extension is made before the service starts, and finds through this what
    is opened then.
    """

    messages: Messages
    notices: Sequence[Notice]
    _mailer: Mailer
    _templates: EmailTemplates

    def __init__(self, settings: AccountEmailSettings) -> None:
        self.settings = settings

    def open(self, mailer: Mailer, templates: EmailTemplates, extensions: Extensions) -> None:
        self.messages = Messages(templates, self.settings)
        self.notices = extensions.of(Notice)
        self._mailer = mailer
        self._templates = templates

    def send_after_commit(self, session: AsyncSession, *mails: ActionEmail) -> None:
        """All at once: a mail server that hangs costs the time of one mail, and fails nothing."""
        after_commit(session, partial(self._send_all, mails))

    async def _send_all(self, mails: Sequence[ActionEmail]) -> None:
        async with create_task_group() as group:
            for mail in mails:
                group.start_soon(self._send, mail)

    async def _send(self, mail: ActionEmail) -> None:
        try:
            await self._mailer.send(self._templates.render(mail))
        except MailNotSentError as exc:
            # Neither the address nor the text, which has the link in it.
            logger.warning("a mail was not sent", subject=mail.subject, reason=exc.detail)
