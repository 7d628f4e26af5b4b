import ssl
from contextlib import suppress

import anyio
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from .errors import MailNotSentError
from .message import Email, mailbox
from .settings import EmailSettings, SmtpSecurity
from .wire import wire_format

# The first failure may be a server that is just being restarted, or one address of several.
_CONNECT_ATTEMPTS = 3
# A mail that was accepted stays accepted, whether or not the server says goodbye.
_QUIT_SECONDS = 1


class SmtpMailer:
    """Hands each mail to the SMTP server on a connection of its own.

    That costs some round trips more than a connection that is kept. A kept one has to be shared,
    watched and opened anew after the minutes for which servers keep an idle one, all for mails
    that a service like this sends now and then.

    Only connecting is tried again, at once and a few times: nothing has been handed over then.
    Whether a mail whose connection broke later was accepted cannot be known, and trying again may
    send it twice. Waiting for a server that is down is for a task queue, not for a request.
    """

    def __init__(self, settings: EmailSettings, *, tls: ssl.SSLContext | None = None) -> None:
        """`tls` replaces the certificate authorities of the system."""
        self._settings = settings
        self._sender = settings.sender_mailbox
        if settings.smtp_security is not SmtpSecurity.NONE:
            tls = tls or ssl.create_default_context()
        self._tls = tls

    async def send(self, email: Email) -> None:
        try:
            await self._send(email)
        except SMTPAuthenticationError as exc:
            # `from None`, and without the reply: some servers repeat what was sent to them.
            raise MailNotSentError(_reason(exc)) from None
        except (SMTPException, OSError) as exc:
            raise MailNotSentError(_reason(exc), reply=_reply(exc)) from exc

    async def _send(self, email: Email) -> None:
        try:
            recipient = mailbox(email.to, email.name)
        except ValueError as exc:
            raise MailNotSentError(f"the recipient's is {exc}.") from None
        content = wire_format(email, self._sender, recipient)
        client = self._client()
        try:
            with anyio.fail_after(self._settings.smtp_timeout_seconds):
                await _connect(client)
                await client.sendmail(self._sender.address, recipient.address, content)
            with anyio.move_on_after(_QUIT_SECONDS), suppress(SMTPException):
                await client.quit()
        finally:
            client.close()

    def _client(self) -> SMTP:
        settings = self._settings
        password = settings.smtp_password
        return SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            # The library would ask the name server for the machine's own name, which in a
            # container nobody knows.
            local_hostname=self._sender.domain,
            # One deadline for everything instead of one for each step.
            timeout=None,
            use_tls=settings.smtp_security is SmtpSecurity.TLS,
            start_tls=settings.smtp_security is SmtpSecurity.STARTTLS,
            tls_context=self._tls,
        )


async def _connect(client: SMTP) -> None:
    for _ in range(_CONNECT_ATTEMPTS - 1):
        with suppress(SMTPConnectError):
            await client.connect()
            return
    await client.connect()


def _reason(exc: Exception) -> str:
    """What is wrong and where to look, for whoever runs the service."""
    match exc:
        case SMTPAuthenticationError():
            where = "are EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD right?"
            reason = f"the mail server refused the login ({exc.code}); {where}"
        case SMTPRecipientsRefused():
            reason = f"the mail server refused the recipient ({exc.recipients[0].code})."
        case SMTPSenderRefused():
            reason = f"the mail server refused the sender ({exc.code}); is EMAIL_SENDER right?"
        case SMTPConnectError() | ssl.SSLError():
            what = type(exc.__cause__ or exc).__name__
            where = "are EMAIL_SMTP_HOST, EMAIL_SMTP_PORT and EMAIL_SMTP_SECURITY right?"
            reason = f"the mail server cannot be reached ({what}); {where}"
        case SMTPResponseException():
            reason = f"the mail server refused the mail ({exc.code})."
        case TimeoutError():
            reason = "the mail server took longer than EMAIL_SMTP_TIMEOUT_SECONDS."
        case OSError():
            reason = f"the connection to the mail server broke ({type(exc).__name__})."
        case _:
            # What the library itself misses: STARTTLS, or a login.
            reason = str(exc)
    return reason


def _reply(exc: Exception) -> str:
    refusal = exc.recipients[0] if isinstance(exc, SMTPRecipientsRefused) else exc
    if isinstance(refusal, SMTPResponseException):
        return f"{refusal.code} {refusal.message}"
    return ""
