from app.core.errors import UnavailableError


class MailNotSentError(UnavailableError):
    """The one error of a mailer, whatever went wrong."""

    code = "email.not_sent"
    title = "Mail not sent"

    def __init__(self, reason: str, *, reply: str = "") -> None:
        """`reply` is what the mail server said: for the operator, it may contain the address."""
        super().__init__(f"The mail was not sent: {reason}", retry_after_seconds=60)
        self.reply = reply
