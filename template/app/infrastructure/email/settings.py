from email.utils import getaddresses
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from app.core.settings import SettingsGroup

from .message import Mailbox, mailbox

_TLS_PORT = 465
_STARTTLS_PORT = 587
# `.invalid` never receives mail (RFC 2606), and it is never sent: see `_is_complete`.
_NOBODY = Mailbox("nobody@sender.invalid", "")


class SmtpSecurity(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class EmailSettings(SettingsGroup):
    """Read from `EMAIL_*`."""

    sender: str | None = None
    """`Name <address>` or an address."""
    link_url: str = "http://127.0.0.1:8000"
    """Where the pages are that links in mails lead to: the frontend's address."""
    smtp_host: Annotated[str, Field(min_length=1)] | None = None
    """Unset: mails are written to the log instead, not where deployed."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = _STARTTLS_PORT
    smtp_username: Annotated[str, Field(min_length=1)] | None = None
    smtp_password: SecretStr | None = None
    smtp_security: SmtpSecurity = SmtpSecurity.STARTTLS
    """`starttls` on port 587, `tls` on port 465; `none` is for a server on the same machine."""
    smtp_timeout_seconds: Annotated[float, Field(gt=0)] = 10
    """For one mail from connecting to its acceptance. Some servers greet only after five seconds,
    to tire spammers out, and a request that sends a mail waits for all of it."""

    @field_validator("sender")
    @classmethod
    def _is_one_mailbox(cls, value: str | None) -> str | None:
        if value is not None:
            _sender(value)
        return value

    @field_validator("link_url")
    @classmethod
    def _is_a_base(cls, value: str) -> str:
        url = urlsplit(value)
        is_base = url.scheme in {"http", "https"} and url.hostname and url.username is None
        if not is_base or url.query or url.fragment or not value.isprintable() or " " in value:
            raise ValueError("must be the start of an address, such as https://app.example.com")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        has_password = self.smtp_password is not None
        wrong = {
            "EMAIL_SMTP_HOST is set: set EMAIL_SENDER as well.": self.smtp_host is not None
            and self.sender is None,
            "EMAIL_SMTP_USERNAME is set: set EMAIL_SMTP_HOST as well.": self.smtp_host is None
            and self.smtp_username is not None,
            "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD go together: set both or neither.": (
                has_password != (self.smtp_username is not None)
            ),
            f"Port {_TLS_PORT} speaks TLS from the start: set EMAIL_SMTP_SECURITY=tls, or another "
            "EMAIL_SMTP_PORT.": self.smtp_port == _TLS_PORT
            and self.smtp_security is not SmtpSecurity.TLS,
            f"EMAIL_SMTP_SECURITY=tls does not work on port {_STARTTLS_PORT}: set EMAIL_SMTP_PORT, "
            f"usually to {_TLS_PORT}.": self.smtp_port == _STARTTLS_PORT
            and self.smtp_security is SmtpSecurity.TLS,
        }
        if problems := [problem for problem, is_there in wrong.items() if is_there]:
            raise ValueError("\n".join(problems))
        return self

    @cached_property
    def sender_mailbox(self) -> Mailbox:
        return _NOBODY if self.sender is None else _sender(self.sender)

    def refusals(self) -> list[str]:
        refused = []
        if self.smtp_host is None:
            refused.append("EMAIL_SMTP_HOST must name a mail server: without it no mail is sent.")
        if self.sender is None:
            refused.append("EMAIL_SENDER must be set, for example to My Shop <shop@example.com>.")
        if "link_url" not in self.model_fields_set or not self.link_url.startswith("https://"):
            refused.append(
                "EMAIL_LINK_URL must be the https:// address of the pages that links in mails lead "
                "to, for example https://app.example.com."
            )
        if self.smtp_security is SmtpSecurity.NONE and self.smtp_password is not None:
            refused.append(
                "EMAIL_SMTP_SECURITY=none sends EMAIL_SMTP_PASSWORD for all to read: unset one of "
                "them."
            )
        return refused


def _sender(value: str) -> Mailbox:
    try:
        ((name, address),) = getaddresses([value])
        return mailbox(address, name)
    except ValueError:
        raise ValueError(
            'must be "Name" <address> or an address, for example My Shop <shop@example.com>'
        ) from None
