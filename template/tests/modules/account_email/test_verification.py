import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.feature import extensions_of
from app.infrastructure.database.database import Database
from app.infrastructure.security.events import SecurityEvents
from app.modules.account_email.models import EmailToken
from app.modules.account_email.settings import AccountEmailSettings
from app.modules.user.models import User
from tests.fixtures.auth import ADA, PASSWORD, create_user
from tests.fixtures.email import Mailbox, link_in, part, token_in
from tests.support import client_of

pytestmark = pytest.mark.anyio


async def verify(client: AsyncClient, token: str) -> Response:
    return await client.post("account/verify-email", json={"token": token})


async def resend(client: AsyncClient, email: str) -> Response:
    return await client.post("account/verify-email/resend", json={"email": email})


async def is_verified(session: AsyncSession, email: str) -> bool | None:
    return await session.scalar(select(User.email_verified).where(User.email == email))


class TestRegistration:
    async def test_mails_a_link_that_works_once(
        self, client: AsyncClient, mailbox: Mailbox, session: AsyncSession
    ) -> None:
        assert (await client.post("users", json=ADA)).status_code == 201
        (message,) = mailbox.messages
        assert message["To"] == "ada@example.com"
        assert message["Subject"] == "Confirm your e-mail address"
        assert link_in(message).startswith("https://app.example.com/verify-email#token=")
        assert part(message, "html").count(token_in(message)) == 3
        assert "works once, for 24 hours" in part(message)
        assert await is_verified(session, "ada@example.com") is False

        with capture_logs() as lines:
            response = await verify(client, token_in(message))

        assert response.status_code == 204, response.text
        assert await is_verified(session, "ada@example.com") is True
        names = [line["name"] for line in lines if line["event"] == "security event"]
        assert names == ["email_verified"]
        again = await verify(client, token_in(message))
        assert again.status_code == 404
        assert again.json()["type"] == "urn:problem:email.invalid_token"

    async def test_does_not_carry_a_strangers_words_to_people(
        self, client: AsyncClient, mailbox: Mailbox
    ) -> None:
        await client.post("users", json=ADA | {"name": "WIN at spam.example/now"})

        assert "spam" not in mailbox.messages[0].as_string()

    async def test_sends_nothing_when_it_fails(self, client: AsyncClient, mailbox: Mailbox) -> None:
        await client.post("users", json=ADA)
        mailbox.clear()

        assert (await client.post("users", json=ADA)).status_code == 409
        assert mailbox.messages == []

    async def test_succeeds_without_a_mail_server(
        self, client: AsyncClient, mailbox: Mailbox
    ) -> None:
        mailbox.refused.add("ada@example.com")

        with capture_logs() as lines:
            response = await client.post("users", json=ADA)

        assert response.status_code == 201
        (line,) = [line for line in lines if line["event"] == "a mail was not sent"]
        assert line["subject"] == "Confirm your e-mail address"
        assert line["reason"] == (
            "The mail was not sent: the mail server refused the recipient (550)."
        )
        assert "token" not in repr(lines)
        assert "ada@example.com" not in repr(lines)

    @pytest.mark.parametrize("target", [None, "nobody", "verified"])
    async def test_asks_nobody_whose_address_is_known_to_be_right(
        self, state: dict[str, Any], session: AsyncSession, mailbox: Mailbox, target: str | None
    ) -> None:
        """As another provider's word makes it, and what others record without an account."""
        user = await create_user(session, email_verified=True)
        gone = await create_user(session, deleted_at=datetime.now(UTC))
        target_id = {None: None, "nobody": gone.id, "verified": user.id}[target]
        events: SecurityEvents = state["events"]

        async with state["database"].transaction() as transaction:
            await events.record(transaction, "account_registered", target_id)

        assert mailbox.messages == []


class TestResend:
    async def test_mails_a_new_link_and_voids_the_old_one(
        self, client: AsyncClient, mailbox: Mailbox
    ) -> None:
        await client.post("users", json=ADA)

        response = await resend(client, "Ada@Example.com")

        assert response.status_code == 202
        old, new = [token_in(message) for message in mailbox.messages]
        assert (await verify(client, old)).status_code == 404
        assert (await verify(client, new)).status_code == 204

    @pytest.mark.parametrize("values", [None, {"email_verified": True}, {"is_active": False}])
    async def test_answers_the_same_where_there_is_nothing_to_confirm(
        self,
        client: AsyncClient,
        session: AsyncSession,
        mailbox: Mailbox,
        values: dict[str, object] | None,
    ) -> None:
        email = "nobody@example.com"
        if values is not None:
            await create_user(session, email=email, **values)

        response = await resend(client, email)

        assert response.status_code == 202
        assert response.json() == {
            "detail": "If this address belongs to such an account, a mail is on its way."
        }
        assert mailbox.messages == []

    async def test_a_mailbox_gets_so_many_in_an_hour(
        self, client: AsyncClient, user: User, mailbox: Mailbox
    ) -> None:
        statuses = [(await resend(client, user.email)).status_code for _ in range(6)]

        assert statuses == [202] * 5 + [429]
        assert len(mailbox.messages) == 5

    async def test_one_address_asks_for_so_many_in_an_hour(self, client: AsyncClient) -> None:
        statuses = [
            (await resend(client, f"nobody{number}@example.com")).status_code
            for number in range(21)
        ]

        assert statuses == [202] * 20 + [429]


class TestVerify:
    async def test_refuses_an_expired_link(
        self, client: AsyncClient, mailbox: Mailbox, session: AsyncSession
    ) -> None:
        await client.post("users", json=ADA)
        await session.execute(update(EmailToken).values(expires_at=datetime.now(UTC)))
        await session.commit()

        assert (await verify(client, token_in(mailbox.messages[0]))).status_code == 404
        assert await is_verified(session, "ada@example.com") is False

    async def test_does_not_vouch_for_an_address_of_later(
        self, client: AsyncClient, mailbox: Mailbox, session: AsyncSession
    ) -> None:
        await client.post("users", json=ADA)
        await session.execute(update(User).values(email="grace@example.com"))
        await session.commit()

        assert (await verify(client, token_in(mailbox.messages[0]))).status_code == 404
        assert await is_verified(session, "grace@example.com") is False

    async def test_a_second_proof_does_no_harm(
        self, client: AsyncClient, mailbox: Mailbox, session: AsyncSession
    ) -> None:
        await client.post("users", json=ADA)
        await session.execute(update(User).values(email_verified=True))
        await session.commit()

        assert (await verify(client, token_in(mailbox.messages[0]))).status_code == 204

    async def test_is_no_get(self, client: AsyncClient) -> None:
        """Programs that look for harmful links follow every one."""
        assert (await client.get("account/verify-email")).status_code == 405

    async def test_one_of_many_at_once_wins(
        self,
        client: AsyncClient,
        committed: Database,  # noqa: ARG002 (connections of their own)
        mailbox: Mailbox,
    ) -> None:
        await client.post("users", json=ADA)
        token = token_in(mailbox.messages[0])

        responses = await asyncio.gather(*(verify(client, token) for _ in range(10)))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {204: 1, 404: 9}


class TestVerificationRequired:
    @pytest.fixture
    def strict(self, settings: Settings, state: dict[str, Any]) -> dict[str, Any]:
        """What the service opens where the setting is on."""
        required = {"account_email": AccountEmailSettings(verification_required=True)}
        features = enabled_features(settings.model_copy(update=required))
        return state | {"extensions": extensions_of(features)}

    async def test_keeps_out_whose_address_is_not_confirmed(
        self, app: FastAPI, strict: dict[str, Any], user: User, mailbox: Mailbox
    ) -> None:
        login = {"username": user.username, "password": PASSWORD}
        async with client_of(app, strict) as client:
            response = await client.post("auth/token", data=login)
            assert response.status_code == 403
            assert response.json()["type"] == "urn:problem:email.not_verified"

            await resend(client, user.email)
            await verify(client, token_in(mailbox.messages[0]))

            assert (await client.post("auth/token", data=login)).status_code == 200

    async def test_tells_so_only_after_the_right_password(
        self, app: FastAPI, strict: dict[str, Any], user: User
    ) -> None:
        async with client_of(app, strict) as client:
            answers = [
                await client.post(
                    "auth/token", data={"username": name, "password": "not the password"}
                )
                for name in (user.username, "nobody")
            ]

        assert [answer.status_code for answer in answers] == [401, 401]
        assert answers[0].json()["detail"] == answers[1].json()["detail"]

    async def test_is_off_unless_switched_on(self, client: AsyncClient, user: User) -> None:
        login = {"username": user.username, "password": PASSWORD}

        assert (await client.post("auth/token", data=login)).status_code == 200
