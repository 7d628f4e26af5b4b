from typing import Any

import pytest
from fastapi import FastAPI

from app.bootstrap.lifespan import open_features
from app.infrastructure.email.dependencies import EmailTemplatesDep, MailerDep
from app.infrastructure.email.feature import feature
from app.infrastructure.email.mailer import ConsoleMailer
from app.infrastructure.email.settings import EmailSettings
from app.infrastructure.email.templates import ActionEmail
from tests.fixtures.email import Mailbox
from tests.support import client_of

pytestmark = pytest.mark.anyio


async def test_writes_to_the_log_where_no_server_is_named() -> None:
    async with open_features([feature(EmailSettings(), title="Kettles")]) as state:
        assert isinstance(state["mailer"], ConsoleMailer)


async def test_is_no_reason_to_be_unready(email_settings: EmailSettings) -> None:
    assert feature(email_settings, title="Kettles").readiness == ()


async def test_is_there_for_routes(state: dict[str, Any], mailbox: Mailbox) -> None:
    app = FastAPI()

    @app.post("/api/v1/letters")
    async def write(mailer: MailerDep, templates: EmailTemplatesDep) -> None:
        email = ActionEmail(to="ada@example.com", name="Ada", subject="Hi", paragraphs=["Hi."])
        await mailer.send(templates.render(email))

    async with client_of(app, state) as client:
        response = await client.post("letters")

    assert response.status_code == 200
    assert [message["Subject"] for message in mailbox.messages] == ["Hi"]
