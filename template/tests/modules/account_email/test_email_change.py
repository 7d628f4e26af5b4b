import asyncio
from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user, log_in
from tests.fixtures.email import Mailbox, link_in, part, token_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

NEW = "new@example.com"


async def ask(client: AsyncClient, email: str = NEW) -> Response:
    body = {"email": email, "current_password": PASSWORD}
    return await client.patch("users/me", json=body)


async def confirm(client: AsyncClient, token: str) -> Response:
    return await client.post("account/change-email/confirm", json={"token": token})


def token_for(mailbox: Mailbox, email: str = NEW) -> str:
    (message,) = [it for it in mailbox.messages if it["To"].addresses[0].addr_spec == email]
    return token_in(message)


class TestRequest:
    async def test_keeps_the_present_address_and_mails_both(
        self, user_client: AsyncClient, user: User, mailbox: Mailbox
    ) -> None:
        with capture_logs() as lines:
            response = await ask(user_client, "New@Example.com")

        assert response.status_code == 200, response.text
        assert response.json()["email"] == user.email
        by_recipient = {it["To"].addresses[0].addr_spec: it for it in mailbox.messages}
        assert by_recipient.keys() == {NEW, user.email}
        link = link_in(by_recipient[NEW])
        assert link.startswith("https://app.example.com/change-email#token=")
        assert "works once, for 1 hour" in part(by_recipient[NEW])
        assert f"for the account {user.username} at" in part(by_recipient[NEW])
        assert user.name not in by_recipient[NEW].as_string()
        warning = by_recipient[user.email]
        assert warning["Subject"] == "Your e-mail address is about to change"
        assert NEW not in part(warning)
        assert "http" not in part(warning)
        names = [line["name"] for line in lines if line["event"] == "security event"]
        assert names == ["email_change_requested"]

    async def test_other_fields_change_at_once(self, user_client: AsyncClient, user: User) -> None:
        body = {"name": "After", "email": NEW, "current_password": PASSWORD}
        response = await user_client.patch("users/me", json=body)

        assert response.json()["name"] == "After"
        assert response.json()["email"] == user.email

    async def test_takes_the_password(self, user_client: AsyncClient, mailbox: Mailbox) -> None:
        response = await user_client.patch("users/me", json={"email": NEW})

        assert response.status_code == 403
        assert mailbox.messages == []

    async def test_does_not_tell_that_an_address_is_taken(
        self, user_client: AsyncClient, session: AsyncSession, mailbox: Mailbox
    ) -> None:
        await create_user(session, email="taken@example.com", name="Grace")

        free, taken = await ask(user_client), await ask(user_client, "taken@example.com")

        assert (free.status_code, taken.status_code) == (200, 200)
        assert free.json() | {"updated_at": ""} == taken.json() | {"updated_at": ""}
        (message,) = [it for it in mailbox.messages if "taken@" in it["To"]]
        assert message["Subject"] == "You have an account already"
        assert "http" not in part(message)

    async def test_a_mailbox_gets_so_many_in_an_hour(
        self, app: FastAPI, state: dict[str, Any], session: AsyncSession, password_hash: str
    ) -> None:
        statuses = []
        for _ in range(6):
            user = await create_user(session, hashed_password=password_hash)
            async with client_of(app, state) as client:
                await log_in(client, state, user)
                statuses.append((await ask(client)).status_code)

        assert statuses == [200] * 5 + [429]

    async def test_an_account_writes_to_so_many_in_an_hour(
        self, user_client: AsyncClient, mailbox: Mailbox
    ) -> None:
        statuses = [
            (await ask(user_client, f"new{number}@example.com")).status_code for number in range(6)
        ]

        assert statuses == [200] * 5 + [429]
        assert len(mailbox.messages) == 10

    async def test_one_address_asks_for_so_many_in_an_hour(
        self, app: FastAPI, state: dict[str, Any], session: AsyncSession, password_hash: str
    ) -> None:
        statuses = []
        for number in range(21):
            user = await create_user(session, hashed_password=password_hash)
            async with client_of(app, state) as client:
                await log_in(client, state, user)
                statuses.append((await ask(client, f"new{number}@example.com")).status_code)

        assert statuses == [200] * 20 + [429]

    async def test_works_with_transactions_of_its_own(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        password_hash: str,
        mailbox: Mailbox,
    ) -> None:
        """The limits are counted before the request takes SQLite's only write lock."""
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
        async with client_of(app, state) as client:
            await log_in(client, state, user)

            assert (await ask(client)).status_code == 200
            assert (await confirm(client, token_for(mailbox))).status_code == 204


class TestConfirm:
    async def test_stores_the_new_address_once(
        self, user_client: AsyncClient, user: User, mailbox: Mailbox
    ) -> None:
        await ask(user_client)
        token = token_for(mailbox)

        with capture_logs() as lines:
            response = await confirm(user_client, token)

        assert response.status_code == 204, response.text
        me = (await user_client.get("users/me")).json()
        assert (me["email"], me["email_verified"]) == (NEW, True)
        (line,) = [line for line in lines if line["event"] == "security event"]
        assert line["name"] == "email_changed"
        assert line["target_id"] == str(user.id)
        assert line["actor_id"] == str(user.id)
        again = await confirm(user_client, token)
        assert again.status_code == 404
        assert again.json()["type"] == "urn:problem:email.invalid_token"

    async def test_needs_no_login(
        self, user_client: AsyncClient, client: AsyncClient, mailbox: Mailbox
    ) -> None:
        """The mail may be read on another device."""
        await ask(user_client)

        assert (await confirm(client, token_for(mailbox))).status_code == 204

    async def test_tells_both_mailboxes(
        self, user_client: AsyncClient, user: User, mailbox: Mailbox
    ) -> None:
        await ask(user_client)
        token = token_for(mailbox)
        mailbox.clear()

        await confirm(user_client, token)

        told = {it["To"].addresses[0].addr_spec: it for it in mailbox.messages}
        assert told.keys() == {user.email, NEW}
        assert {it["Subject"] for it in told.values()} == {"Your e-mail address was changed"}
        assert "tell whoever runs" in part(told[user.email])
        assert "ask for a new password" in part(told[NEW])

    async def test_is_refused_where_the_address_is_taken_meanwhile(
        self, user_client: AsyncClient, user: User, session: AsyncSession, mailbox: Mailbox
    ) -> None:
        await ask(user_client)
        other = await create_user(session, email=NEW)

        response = await confirm(user_client, token_for(mailbox))

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:user.email_taken"
        stored = await session.scalar(select(User.email).where(User.id == user.id))
        assert stored == user.email
        # It is free again, and the link not used up.
        await session.execute(
            update(User).where(User.id == other.id).values(email="moved@example.com")
        )
        await session.commit()
        assert (await confirm(user_client, token_for(mailbox))).status_code == 204

    async def test_only_the_newest_counts(self, user_client: AsyncClient, mailbox: Mailbox) -> None:
        await ask(user_client, "first@example.com")
        await ask(user_client, "second@example.com")

        first, second = [
            await confirm(user_client, token_for(mailbox, f"{name}@example.com"))
            for name in ("first", "second")
        ]

        assert (first.status_code, second.status_code) == (404, 204)

    async def test_another_password_calls_it_off(
        self, user_client: AsyncClient, mailbox: Mailbox
    ) -> None:
        """Whoever asked for it knew the old one, and is what the change is against."""
        await ask(user_client)
        body = {"current_password": PASSWORD, "new_password": "paper kettle orchard"}
        assert (await user_client.post("auth/change-password", json=body)).status_code == 204

        assert (await confirm(user_client, token_for(mailbox))).status_code == 404

    async def test_voids_the_links_sent_to_the_old_address(
        self, user_client: AsyncClient, user: User, mailbox: Mailbox
    ) -> None:
        await user_client.post("account/password-reset", json={"email": user.email})
        reset = token_in(mailbox.messages[0])
        mailbox.clear()
        await ask(user_client)
        await confirm(user_client, token_for(mailbox))

        response = await user_client.post(
            "account/password-reset/confirm",
            json={"token": reset, "new_password": "paper kettle orchard"},
        )

        assert response.status_code == 404

    async def test_one_of_many_at_once_wins(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        password_hash: str,
        mailbox: Mailbox,
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            await ask(client)
            token = token_for(mailbox)

            responses = await asyncio.gather(*(confirm(client, token) for _ in range(10)))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {204: 1, 404: 9}

    async def test_one_of_two_accounts_gets_the_address(
        self,
        app: FastAPI,
        state: dict[str, Any],
        committed: Database,
        password_hash: str,
        mailbox: Mailbox,
    ) -> None:
        tokens = []
        async with client_of(app, state) as client:
            for _ in range(2):
                async with committed.write_sessions() as session:
                    user = await create_user(session, hashed_password=password_hash)
                await log_in(client, state, user)
                mailbox.clear()
                await ask(client)
                tokens.append(token_for(mailbox))

            responses = await asyncio.gather(*(confirm(client, token) for token in tokens))

        assert Counter(it.status_code for it in responses) == {204: 1, 409: 1}
