"""A mail as the service writes it."""

import re
from dataclasses import dataclass

import idna

# RFC 5322 allows more: quotes, spaces and comments, in which one address can hide a second.
_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A mail to one mailbox."""

    to: str
    name: str = ""
    """Of the recipient."""
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who sends or receives. Made with `mailbox`."""

    address: str
    name: str

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def mailbox(address: str, name: str = "") -> Mailbox:
    """Raises `ValueError`, without the address, where it is not one for every mail server."""
    local_part, _, domain = address.rpartition("@")
    try:
        # By IDNA 2008, as browsers do: Python's own codec takes straße.de for strasse.de, which
        # may be somebody else's.
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        domain = ""
    if not _LOCAL_PART.fullmatch(local_part) or not _DOMAIN.fullmatch(domain):
        raise ValueError("not an e-mail address that mail can be sent to")
    return Mailbox(f"{local_part}@{domain}", name)
