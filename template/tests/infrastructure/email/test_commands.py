import socket

from typer.testing import CliRunner

from app.bootstrap.settings import Settings
from app.cli import Runner
from app.infrastructure.email.commands import build_commands
from app.infrastructure.email.settings import EmailSettings
from tests.fixtures.email import Mailbox, link_in

UNREACHABLE = (
    "The mail was not sent: the mail server cannot be reached (ConnectionRefusedError); are "
    "EMAIL_SMTP_HOST, EMAIL_SMTP_PORT and EMAIL_SMTP_SECURITY right?\n"
)
REFUSED = (
    "The mail was not sent: the mail server refused the recipient (550).\n"
    "It said: 550 5.1.1 ada@example.com is unknown here\n"
)
NO_ADDRESS = (
    "The mail was not sent: the recipient's is not an e-mail address that mail can be sent to.\n"
)


def run(settings: Settings, address: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        build_commands(settings.email), ["test", address], obj=Runner(settings)
    )
    return result.exit_code, result.output


def with_email(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update={"email": settings.email.model_copy(update=values)})


class TestTest:
    def test_sends_a_mail(self, settings: Settings, mailbox: Mailbox) -> None:
        assert run(settings, "ada@example.com") == (
            0,
            "127.0.0.1 has accepted a mail to ada@example.com.\n",
        )
        (message,) = mailbox.messages
        assert message["To"] == "ada@example.com"
        assert link_in(message) == "https://app.example.com/"

    def test_passes_on_what_the_server_says(self, settings: Settings, mailbox: Mailbox) -> None:
        mailbox.refused.add("ada@example.com")

        assert run(settings, "ada@example.com") == (1, REFUSED)

    def test_tells_that_the_server_is_down(self, settings: Settings) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

        assert run(with_email(settings, smtp_port=port), "ada@example.com") == (1, UNREACHABLE)

    def test_takes_one_address(self, settings: Settings, mailbox: Mailbox) -> None:
        assert run(settings, "ada") == (1, NO_ADDRESS)
        assert mailbox.messages == []

    def test_does_not_pretend(self, settings: Settings) -> None:
        unset = settings.model_copy(update={"email": EmailSettings()})

        assert run(unset, "ada@example.com") == (
            1,
            "Nothing was sent: EMAIL_SMTP_HOST is not set.\n",
        )
