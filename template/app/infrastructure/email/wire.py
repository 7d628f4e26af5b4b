"""A mail as it goes over the wire."""

import re
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import compat32
from email.utils import format_datetime, formataddr, localtime, make_msgid

from .message import Email, Mailbox

# What ends a line somewhere, and half surrogate pairs, which have no bytes.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_WIRE = compat32.clone(linesep="\r\n", mangle_from_=False)
# Every server lets quoted-printable pass as it is, long lines and all.
_UTF8 = Charset("utf-8")
_UTF8.body_encoding = QP


def wire_format(email: Email, sender: Mailbox, recipient: Mailbox) -> bytes:
    """Texts from users stay where they are put: none can end a header and start another.

    The headers are encoded here. `EmailMessage` would do it too, but loses spaces of long names
    and subjects, and before Python 3.11.10 and 3.12.5 it writes out line breaks that hide in
    encoded words (CVE-2024-6923).
    """
    message = MIMEMultipart("alternative")
    message["From"] = formataddr((_encoded(sender.name, "From"), sender.address))
    message["To"] = formataddr((_encoded(recipient.name, "To"), recipient.address))
    message["Subject"] = _encoded(email.subject, "Subject")
    message["Date"] = format_datetime(localtime())
    # With the domain given: Python would ask the name server for the machine's own.
    message["Message-ID"] = make_msgid(domain=sender.domain)
    # RFC 3834: no out-of-office replies to this one.
    message["Auto-Submitted"] = "auto-generated"
    for subtype, text in (("plain", email.text), ("html", email.html)):
        part = MIMENonMultipart("text", subtype)
        part.set_payload(text, _UTF8)
        message.attach(part)
    return message.as_bytes(policy=_WIRE)


def _encoded(text: str, header: str) -> str:
    text = _UNPRINTABLE.sub(" ", text).strip()
    # `=?` starts an encoded word, as which the recipient's program would take it.
    if text.isascii() and "=?" not in text:
        return text
    return Header(text, "utf-8", header_name=header).encode()
