from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of

from .mailer import ConsoleMailer, LateMailer, Mailer
from .settings import EmailSettings
from .templates import EmailTemplates


def feature(settings: EmailSettings, *, title: str) -> Feature:
    """Without a readiness check: a mail server that is down must not take the service out."""

    def smtp() -> Mailer:
        from .smtp import SmtpMailer  # noqa: PLC0415 (late)

        return SmtpMailer(settings)

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {
            "mailer": ConsoleMailer() if settings.smtp_host is None else LateMailer(smtp),
            "email_templates": EmailTemplates(title=title, link_url=settings.link_url),
        }

    return Feature(
        name="email", lifespan=lifespan, commands={"email": commands_of(__package__, settings)}
    )
