from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

import pytest

from app.infrastructure.email.message import Email, mailbox
from app.infrastructure.email.wire import wire_format

HEADERS = [
    "Content-Type",
    "MIME-Version",
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
]
HOSTILE = [
    "Ada\r\nBcc: eve@example.com",
    "Ada\nBcc: eve@example.com",
    "Ada\r\n\r\n<script>",
    "Ada\x0bBcc: eve@example.com",
    "Ada\u2028Bcc: eve@example.com",
    "=?utf-8?q?Ada=0D=0ABcc:_eve@example.com?=",
    "=?utf-8?b?QWRhDQpCY2M6IGV2ZUBleGFtcGxlLmNvbQ==?=",
    "Ada <eve@example.com>",
    "Ada>, <eve@example.com",
    'Ada" <eve@example.com>, "',
    "eve@example.com, Ada",
    "Ada:eve@example.com;",
    "Ada \ud800",
]


def wire(name: str = "", subject: str = "Hello", text: str = "Hello", html: str = "<p>") -> bytes:
    email = Email(to="ada@example.com", name=name, subject=subject, text=text, html=html)
    return wire_format(email, mailbox("shop@example.com", "My Shop"), mailbox(email.to, email.name))


def received(**texts: str) -> Message:
    """As a mail program reads it; the classic parser, as strict as old ones."""
    content = wire(**texts)
    assert content.replace(b"\r\n", b"").count(b"\n") == 0
    return message_from_bytes(content)


def decoded(header: str) -> str:
    return str(make_header(decode_header(header)))


class TestMailbox:
    @pytest.mark.parametrize(
        ("given", "address"),
        [
            ("ada@example.com", "ada@example.com"),
            ("Ada+Lovelace@Example.com", "Ada+Lovelace@Example.com"),
            ("o'neill@localhost", "o'neill@localhost"),
            ("ada@bücher.example", "ada@xn--bcher-kva.example"),
            ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ],
    )
    def test_has_its_domain_in_ascii(self, given: str, address: str) -> None:
        assert mailbox(given).address == address

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@@example.com",
            "a da@example.com",
            "ada@example..com",
            "ada@.example.com",
            "ada@example.com, eve@example.com",
            "Ada <ada@example.com>",
            "ada@example.com>",
            "ada@example.com\n",
            "ada@example.com\r\nRCPT TO:<eve@example.com>",
            '"ada eve"@example.com',
            "ada@example.com(eve)",
            "ada@[127.0.0.1]",
            "ada@\u2028bücher.example",
            "ädä@example.com",
        ],
    )
    def test_is_refused_where_not_every_server_takes_it(self, given: str) -> None:
        with pytest.raises(ValueError, match="not an e-mail address that mail can be sent to"):
            mailbox(given)


class TestHeaders:
    def test_are_those_of_an_automatic_mail(self) -> None:
        message = received(name="Ada Lovelace")
        age = datetime.now(UTC) - parsedate_to_datetime(message["Date"])

        assert message.keys() == HEADERS
        assert message["From"] == "My Shop <shop@example.com>"
        assert message["To"] == "Ada Lovelace <ada@example.com>"
        assert message["Subject"] == "Hello"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Message-ID"].endswith("@example.com>")
        assert timedelta() <= age < timedelta(minutes=1)

    def test_have_an_id_for_each_mail(self) -> None:
        assert received()["Message-ID"] != received()["Message-ID"]

    def test_name_nobody_where_there_is_no_name(self) -> None:
        assert received()["To"] == "ada@example.com"

    @pytest.mark.parametrize("text", HOSTILE)
    def test_keep_what_users_write_inside(self, text: str) -> None:
        message = received(name=text, subject=text)

        assert message.keys() == HEADERS
        ((_, address),) = getaddresses([message["To"]])
        assert address == "ada@example.com"

    @pytest.mark.parametrize(
        "text",
        [
            "Zoë Müller",
            "Müller, Zoë (café)",
            'Ada "The Countess" Lovelace',
            "Александр Константинович Константинопольский",
            "ö" * 60,
            "Zoë Müller " * 12 + "Zoë",
            "👩‍👩‍👧 семья",
            "=?utf-8?q?Ada?=",
        ],
    )
    def test_reach_the_reader_as_written(self, text: str) -> None:
        message = received(name=text, subject=text)
        ((name, address),) = getaddresses([message["To"]])

        assert decoded(message["Subject"]) == text
        assert (decoded(name), address) == (text, "ada@example.com")
        assert max(len(line) for line in wire(name=text, subject=text).splitlines()) <= 78


class TestBody:
    def test_is_the_same_as_text_and_as_html(self) -> None:
        message = received(text="Grüße\nFrom Ada\n.\n", html="<p>Grüße</p>" * 200)
        text, html = (part for part in message.walk() if not part.is_multipart())

        assert message.get_content_type() == "multipart/alternative"
        assert text.get_content_type() == "text/plain"
        assert text.get_payload(decode=True) == "Grüße\r\nFrom Ada\r\n.\r\n".encode()
        assert html.get_content_type() == "text/html"
        assert html.get_payload(decode=True) == ("<p>Grüße</p>" * 200).encode()

    def test_has_lines_that_every_server_takes(self) -> None:
        content = wire(html="<p>Grüße</p>" * 200, text="word " * 500)

        assert content.isascii()
        assert max(len(line) for line in content.splitlines()) <= 78
