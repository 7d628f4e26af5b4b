"""`python -m app.cli email ...`."""

import typer

from app.core.commands import fail, run_job
from app.core.feature import State

from .errors import MailNotSentError
from .settings import EmailSettings
from .templates import ActionEmail, Button, EmailTemplates


def build_commands(settings: EmailSettings) -> typer.Typer:
    commands = typer.Typer(help="Mail.", no_args_is_help=True)

    @commands.callback()
    def group() -> None:
        """Keep `test` a subcommand while it is the only one."""

    @commands.command()
    def test(context: typer.Context, address: str) -> None:
        """Send a mail to ADDRESS."""
        if settings.smtp_host is None:
            fail("Nothing was sent: EMAIL_SMTP_HOST is not set.")
        try:
            run_job(context, lambda state: _send(state, address))
        except MailNotSentError as exc:
            said = f"\nIt said: {exc.reply}" if exc.reply else ""
            fail(f"{exc.detail}{said}")
        typer.echo(f"{settings.smtp_host} has accepted a mail to {address}.")

    return commands


async def _send(state: State, address: str) -> None:
    templates: EmailTemplates = state["email_templates"]
    email = ActionEmail(
        to=address,
        name="",
        subject="A test mail",
        paragraphs=["Mails of this service reach you. Does the link lead to the right place?"],
        button=Button(label="Open", url=templates.link("/")),
        note="Somebody who runs the service has sent this mail to try it out.",
    )
    await state["mailer"].send(templates.render(email))
