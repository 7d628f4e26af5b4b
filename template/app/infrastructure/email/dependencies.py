from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from .mailer import Mailer
from .templates import EmailTemplates


async def get_mailer(connection: HTTPConnection) -> Mailer:
    return cast("Mailer", connection.state.mailer)


async def get_email_templates(connection: HTTPConnection) -> EmailTemplates:
    return cast("EmailTemplates", connection.state.email_templates)


MailerDep = Annotated[Mailer, Depends(get_mailer)]
EmailTemplatesDep = Annotated[EmailTemplates, Depends(get_email_templates)]
