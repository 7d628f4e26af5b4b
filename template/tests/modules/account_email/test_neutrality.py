"""Neither an answer nor its time tells who has an account."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.security.events import (
    SecurityEvent,
    SecurityEventListener,
    SecurityEvents,
)
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.fixtures.email import Mailbox
from tests.fixtures.statements import statements
from tests.support import client_of

pytestmark = pytest.mark.anyio

ROUTES = ["account/password-reset", "account/verify-email/resend"]


@pytest.fixture
async def account(committed: Database, password_hash: str) -> User:
    async with committed.write_sessions() as session:
        return await create_user(session, hashed_password=password_hash)


class Answered:
    """The application, and what had happened when its answer was complete."""

    def __init__(self, app: FastAPI, executed: list[str], mailbox: Mailbox) -> None:
        self.app = app
        self.executed = executed
        self.mailbox = mailbox
        self.before: list[str] = []
        self.mails_before = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.before = list(self.executed)
                self.mails_before = len(self.mailbox.messages)

        await self.app(scope, receive, noting)


class TestRequests:
    @pytest.mark.parametrize("route", ROUTES)
    async def test_look_for_the_account_behind_the_answer(
        self,
        app: FastAPI,
        state: dict[str, Any],
        account: User,
        mailbox: Mailbox,
        route: str,
    ) -> None:
        before = []
        for email in (account.email, "nobody@example.com"):
            with statements() as executed:
                answered = Answered(app, executed, mailbox)
                async with client_of(answered, state) as client:
                    response = await client.post(route, json={"email": email})
            assert response.status_code == 202
            assert answered.mails_before == 0
            assert len(executed) > len(answered.before)
            assert not any("user_account" in statement for statement in answered.before)
            before.append(answered.before)
            mailbox.messages.clear()

        assert before[0] == before[1]

    async def test_do_mail(self, client: AsyncClient, account: User, mailbox: Mailbox) -> None:
        for route in ROUTES:
            await client.post(route, json={"email": account.email})

        assert len(mailbox.messages) == 2

    async def test_what_fails_behind_the_answer_is_logged(
        self, app: FastAPI, state: dict[str, Any], user: User, mailbox: Mailbox
    ) -> None:
        class Failing(SecurityEventListener):
            async def receive(self, session: AsyncSession, event: SecurityEvent) -> None:  # noqa: ARG002
                raise ZeroDivisionError

        failing = state | {"events": SecurityEvents(Extensions([Failing()]))}
        with capture_logs() as lines:
            async with client_of(app, failing) as client:
                response = await client.post(ROUTES[0], json={"email": user.email})

        assert response.status_code == 202
        (line,) = [line for line in lines if line["log_level"] == "error"]
        assert line["event"] == "a mail could not be prepared"
        assert mailbox.messages == []


class TestChangeOfEmail:
    @pytest.fixture
    async def account_client(
        self, app: FastAPI, state: dict[str, Any], account: User
    ) -> AsyncGenerator[AsyncClient]:
        async with client_of(app, state) as client:
            yield await log_in(client, state, account)

    async def test_does_the_same_for_an_address_that_is_taken(
        self, account_client: AsyncClient, committed: Database, mailbox: Mailbox
    ) -> None:
        async with committed.write_sessions() as session:
            await create_user(session, email="taken@example.com")
        # The first change makes the row that the later ones take over.
        ran, mails = [], []
        for email in ("first@example.com", "free@example.com", "taken@example.com"):
            mailbox.messages.clear()
            with statements() as executed:
                body = {"email": email, "current_password": PASSWORD}
                await account_client.patch("users/me", json=body)
            ran.append(executed)
            mails.append(len(mailbox.messages))

        assert ran[1] == ran[2]
        assert mails == [2, 2, 2]
