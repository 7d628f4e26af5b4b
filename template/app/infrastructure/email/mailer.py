from collections.abc import Callable
from typing import Protocol

import structlog

from app.core.late import Late

from .message import Email


class Mailer(Protocol):
    async def send(self, email: Email) -> None:
        """Return once the mail is accepted for delivery. Raises `MailNotSentError`."""


class ConsoleMailer:
    """Writes mails to the log, for development: links in them can be followed from there."""

    def __init__(self) -> None:
        self._logger = structlog.get_logger()

    async def send(self, email: Email) -> None:
        # In one text: as values of their own the line breaks would be escaped.
        text = f"To: {email.name} <{email.to}>\nSubject: {email.subject}\n\n{email.text}"
        self._logger.info("a mail, not sent: EMAIL_SMTP_HOST is unset\n\n%s", text)


class LateMailer:
    """Makes the mailer that it stands for when there is a mail to send."""

    def __init__(self, make: Callable[[], Mailer]) -> None:
        self._mailer = Late(make)

    async def send(self, email: Email) -> None:
        await self._mailer().send(email)
