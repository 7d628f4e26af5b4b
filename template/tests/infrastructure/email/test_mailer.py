import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from email.headerregistry import Address
from time import perf_counter
from traceback import format_exception
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from app.infrastructure.email.errors import MailNotSentError
from app.infrastructure.email.mailer import ConsoleMailer
from app.infrastructure.email.message import Email
from app.infrastructure.email.settings import EmailSettings, SmtpSecurity
from app.infrastructure.email.smtp import SmtpMailer
from app.infrastructure.logging.settings import LogFormat, LogSettings
from app.infrastructure.logging.setup import configure_logging
from tests.fixtures.email import Mailbox, listening, part

pytestmark = pytest.mark.anyio

EMAIL = Email(
    to="zoe@bücher.example",
    name="Zoë",
    subject="Grüße",
    text="Hello\n\nhttp://127.0.0.1:8000/verify?token=abc&email=zoe@example.com\n",
    html="<p>Hello</p>",
)
PASSWORD = "hunter2-hunter2"
LOGIN = {"smtp_username": "shop", "smtp_password": SecretStr(PASSWORD)}

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def server_tls(certificate_authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(certificate_authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    certificate_authority.configure_trust(context)
    return context


def settings(port: int, **values: object) -> EmailSettings:
    return EmailSettings.model_validate(
        {
            "sender": "My Shop <shop@example.com>",
            "smtp_host": "127.0.0.1",
            "smtp_port": port,
            "smtp_security": "none",
        }
        | values
    )


async def failure(mailer: SmtpMailer, email: Email = EMAIL) -> MailNotSentError:
    with pytest.raises(MailNotSentError) as caught:
        await mailer.send(email)
    assert PASSWORD not in "".join(format_exception(caught.value))
    return caught.value


class Doorkeeper:
    """Lets the shop in and counts how often."""

    def __init__(self) -> None:
        self.logins = 0

    def __call__(
        self, _: SMTP, __: Session, ___: Envelope, ____: str, credentials: LoginPassword
    ) -> AuthResult:
        is_right = credentials == LoginPassword(b"shop", PASSWORD.encode())
        self.logins += is_right
        return AuthResult(success=is_right, handled=False)


@asynccontextmanager
async def talking(conversation: Conversation) -> AsyncGenerator[int]:
    """A server that says what the test wants; its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await conversation(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


class TestSmtp:
    async def test_delivers(self, email_settings: EmailSettings, mailbox: Mailbox) -> None:
        await SmtpMailer(email_settings).send(EMAIL)
        (message,) = mailbox.messages

        assert mailbox.envelopes == [("kettles@example.com", ["zoe@xn--bcher-kva.example"])]
        assert message["To"].addresses == (Address("Zoë", "zoe", "xn--bcher-kva.example"),)
        assert message["Subject"] == "Grüße"
        assert part(message) == EMAIL.text
        assert part(message, "html") == "<p>Hello</p>"

    async def test_delivers_many_at_once(
        self, email_settings: EmailSettings, mailbox: Mailbox
    ) -> None:
        mailer = SmtpMailer(email_settings)
        await asyncio.gather(*(mailer.send(EMAIL) for _ in range(10)))

        assert len({message["Message-ID"] for message in mailbox.messages}) == 10

    async def test_tells_an_address_from_several(
        self, email_settings: EmailSettings, mailbox: Mailbox
    ) -> None:
        email = Email(to="ada@x.example, eve@x.example", subject="", text="", html="")
        error = await failure(SmtpMailer(email_settings), email)

        assert error.detail == (
            "The mail was not sent: the recipient's is not an e-mail address that mail can be "
            "sent to."
        )
        assert mailbox.messages == []

    async def test_tells_a_refused_recipient(
        self, email_settings: EmailSettings, mailbox: Mailbox
    ) -> None:
        mailbox.refused.add("zoe@xn--bcher-kva.example")
        error = await failure(SmtpMailer(email_settings))

        assert error.detail == (
            "The mail was not sent: the mail server refused the recipient (550)."
        )
        assert error.reply == "550 5.1.1 zoe@xn--bcher-kva.example is unknown here"
        assert mailbox.messages == []

    async def test_tells_a_refused_mail(self) -> None:
        mailbox = Mailbox()
        with listening(mailbox, data_size_limit=100) as port:
            error = await failure(SmtpMailer(settings(port)))

        assert error.detail.startswith("The mail was not sent: the mail server refused the ")
        assert error.reply.startswith("552 ")
        assert mailbox.messages == []


class TestTls:
    @pytest.mark.parametrize("security", [SmtpSecurity.STARTTLS, SmtpSecurity.TLS])
    async def test_guards_the_login(
        self, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, security: SmtpSecurity
    ) -> None:
        mailbox, doorkeeper = Mailbox(), Doorkeeper()
        options: dict[str, Any] = {"tls_context": server_tls, "require_starttls": True}
        if security is SmtpSecurity.TLS:
            # The server counts STARTTLS alone as TLS.
            options = {"ssl": server_tls, "auth_require_tls": False}
        with listening(mailbox, authenticator=doorkeeper, **options) as port:
            given = settings(port, smtp_security=security, **LOGIN)
            await SmtpMailer(given, tls=client_tls).send(EMAIL)

        assert (doorkeeper.logins, len(mailbox.messages)) == (1, 1)

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_tells_a_refused_login_without_the_password(
        self, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, security: str
    ) -> None:
        options: dict[str, Any] = {"tls_context": server_tls}
        if security == "tls":
            options = {"ssl": server_tls, "auth_require_tls": False}
        with listening(Mailbox(), authenticator=Doorkeeper(), **options) as port:
            eve = {"smtp_username": "eve", "smtp_password": SecretStr(PASSWORD)}
            given = settings(port, smtp_security=security, **eve)
            error = await failure(SmtpMailer(given, tls=client_tls))

        assert error.detail == (
            "The mail was not sent: the mail server refused the login (535); are "
            "EMAIL_SMTP_USERNAME and EMAIL_SMTP_PASSWORD right?"
        )
        assert error.reply == ""

    @pytest.mark.parametrize("security", ["starttls", "tls"])
    async def test_trusts_no_unknown_authority(
        self, server_tls: ssl.SSLContext, security: str
    ) -> None:
        mailbox = Mailbox()
        options = {"ssl": server_tls} if security == "tls" else {"tls_context": server_tls}
        with listening(mailbox, **options) as port:
            error = await failure(SmtpMailer(settings(port, smtp_security=security, **LOGIN)))

        assert error.detail == (
            "The mail was not sent: the mail server cannot be reached (SSLCertVerificationError); "
            "are EMAIL_SMTP_HOST, EMAIL_SMTP_PORT and EMAIL_SMTP_SECURITY right?"
        )
        assert mailbox.messages == []

    async def test_is_insisted_on(self, client_tls: ssl.SSLContext) -> None:
        """Someone in between can leave STARTTLS out of what the server offers."""
        mailbox, doorkeeper = Mailbox(), Doorkeeper()
        with listening(mailbox, authenticator=doorkeeper, auth_require_tls=False) as port:
            given = settings(port, smtp_security="starttls", **LOGIN)
            error = await failure(SmtpMailer(given, tls=client_tls))

        assert error.detail == (
            "The mail was not sent: SMTP STARTTLS extension not supported by server."
        )
        assert (doorkeeper.logins, mailbox.messages) == (0, [])


class TestUnreachable:
    async def test_tells_a_server_that_is_down(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        error = await failure(SmtpMailer(settings(port)))

        assert error.detail == (
            "The mail was not sent: the mail server cannot be reached (ConnectionRefusedError); "
            "are EMAIL_SMTP_HOST, EMAIL_SMTP_PORT and EMAIL_SMTP_SECURITY right?"
        )

    async def test_tries_to_connect_three_times(self) -> None:
        connections = []

        async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            writer.write(b"421 too busy\r\n")

        async with talking(refuse) as port:
            error = await failure(SmtpMailer(settings(port)))

        assert len(connections) == 3
        assert error.reply == "421 too busy"

    async def test_recovers_where_a_later_try_connects(
        self, email_settings: EmailSettings, mailbox: Mailbox
    ) -> None:
        connections = []

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            if len(connections) < 3:
                return
            upstream, downstream = await asyncio.open_connection(
                email_settings.smtp_host, email_settings.smtp_port
            )

            async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
                while data := await source.read(1024):
                    target.write(data)

            await asyncio.gather(pump(reader, downstream), pump(upstream, writer))
            downstream.close()

        async with talking(relay) as port:
            await SmtpMailer(settings(port)).send(EMAIL)

        assert len(mailbox.messages) == 1

    async def test_gives_up_on_a_server_that_says_nothing(self) -> None:
        async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        async with talking(wait) as port:
            started = perf_counter()
            error = await failure(SmtpMailer(settings(port, smtp_timeout_seconds=0.1)))

        assert error.detail == (
            "The mail was not sent: the mail server took longer than EMAIL_SMTP_TIMEOUT_SECONDS."
        )
        assert perf_counter() - started < 1

    async def test_sends_once_where_the_connection_breaks_later(self) -> None:
        """The mail may have been accepted all the same."""
        connections = []

        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            writer.write(b"220 hello\r\n")
            for reply in (b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"):
                await reader.readline()
                writer.write(reply)
            await reader.readuntil(b"\r\n.\r\n")

        async with talking(break_off) as port:
            error = await failure(SmtpMailer(settings(port)))

        assert len(connections) == 1
        assert error.detail == (
            "The mail was not sent: the connection to the mail server broke "
            "(SMTPServerDisconnected)."
        )

    async def test_is_content_with_a_mail_accepted_without_goodbye(self) -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hello\r\n")
            for reply in (b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"):
                await reader.readline()
                writer.write(reply)
            await reader.readuntil(b"\r\n.\r\n")
            writer.write(b"250 OK\r\n")
            await reader.readline()

        async with talking(hang_up) as port:
            await SmtpMailer(settings(port)).send(EMAIL)

    async def test_repeats_nothing_that_the_server_repeats(self) -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hello\r\n")
            await reader.readline()
            writer.write(b"250-hello\r\n250 AUTH PLAIN\r\n")
            writer.write(b"500 what is " + await reader.readline())

        async with talking(echo) as port:
            error = await failure(SmtpMailer(settings(port, **LOGIN)))

        trace = "".join(format_exception(error))
        assert "(500)" in error.detail
        assert "what is" not in trace


@pytest.mark.usefixtures("restored_logging")
class TestConsole:
    async def test_shows_the_mail_with_its_link(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure_logging(LogSettings(format=LogFormat.CONSOLE), deployed=False)
        await ConsoleMailer().send(EMAIL)
        lines = capsys.readouterr().out.splitlines()

        assert "a mail, not sent: EMAIL_SMTP_HOST is unset" in lines[0]
        assert [line.rstrip() for line in lines[1:8]] == [
            "",
            "To: Zoë <zoe@bücher.example>",
            "Subject: Grüße",
            "",
            "Hello",
            "",
            "http://127.0.0.1:8000/verify?token=abc&email=zoe@example.com",
        ]
