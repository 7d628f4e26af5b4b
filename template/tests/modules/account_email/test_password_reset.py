import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient, Response
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.core.errors import ForbiddenError
from app.core.extensions import Extensions
from app.infrastructure.database.database import Database
from app.infrastructure.security.keys import new_token
from app.infrastructure.security.settings import AuthSettings
from app.modules.account_email.models import EmailToken
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, Login, LoginStep
from app.modules.user.models import User
from tests.fixtures.auth import PASSWORD, create_user
from tests.fixtures.email import Mailbox, link_in, part, token_in
from tests.support import client_of

pytestmark = pytest.mark.anyio

NEW = "paper kettle orchard"
NEUTRAL = {"detail": "If this address belongs to such an account, a mail is on its way."}


async def ask(client: AsyncClient, email: str) -> Response:
    return await client.post("account/password-reset", json={"email": email})


async def confirm(client: AsyncClient, token: str, password: str = NEW) -> Response:
    body = {"token": token, "new_password": password}
    return await client.post("account/password-reset/confirm", json=body)


async def log_in_with(client: AsyncClient, user: User, password: str) -> int:
    data = {"username": user.username, "password": password}
    return (await client.post("auth/token", data=data)).status_code


@pytest.fixture
async def token(client: AsyncClient, user: User, mailbox: Mailbox) -> str:
    """What `user` was mailed."""
    await ask(client, user.email)
    (message,) = mailbox.messages
    mailbox.clear()
    return token_in(message)


def refused(response: Response) -> bool:
    assert response.status_code == 404
    body = response.json()
    assert body["detail"] == "The link in the mail does not count any more. Ask for a new one."
    return bool(body["type"] == "urn:problem:email.invalid_token")


class TestRequest:
    async def test_mails_a_link(self, client: AsyncClient, user: User, mailbox: Mailbox) -> None:
        response = await ask(client, user.email.upper())

        assert response.status_code == 202, response.text
        assert response.json() == NEUTRAL
        assert mailbox.envelopes == [("kettles@example.com", [user.email])]
        (message,) = mailbox.messages
        assert message["Subject"] == "Set a new password"
        assert link_in(message).startswith("https://app.example.com/reset-password#token=")
        assert "works once, for 30 minutes" in part(message)
        assert user.username in part(message)

    @pytest.mark.parametrize("change", ["nobody", "is_active", "deleted_at"])
    async def test_answers_the_same_where_there_is_no_account_to_get_into(
        self,
        client: AsyncClient,
        user: User,
        session: AsyncSession,
        mailbox: Mailbox,
        change: str,
    ) -> None:
        email = "nobody@example.com" if change == "nobody" else user.email
        if change == "is_active":
            user.is_active = False
        if change == "deleted_at":
            user.deleted_at = datetime.now(UTC)
        await session.commit()

        response = await ask(client, email)

        assert response.status_code == 202
        assert response.json() == NEUTRAL
        assert mailbox.messages == []
        assert await session.scalar(select(func.count()).select_from(EmailToken)) == 0

    async def test_stores_no_token(self, token: str, session: AsyncSession) -> None:
        stored = (await session.execute(select(EmailToken.__table__))).one()

        assert token not in repr(stored)

    async def test_takes_half_an_hour_at_most(self, token: str, session: AsyncSession) -> None:
        assert token
        record = (await session.scalars(select(EmailToken))).one()

        assert record.expires_at - record.created_at == timedelta(minutes=30)

    @pytest.mark.parametrize("email", ["", "ada", "Ada <ada@example.com>", "ada@example.test"])
    async def test_refuses_what_is_no_address(self, client: AsyncClient, email: str) -> None:
        assert (await ask(client, email)).status_code == 422

    async def test_is_recorded(self, client: AsyncClient, user: User) -> None:
        with capture_logs() as lines:
            await ask(client, user.email)

        (line,) = [line for line in lines if line.get("name") == "password_reset_requested"]
        assert line["target_id"] == str(user.id)
        assert user.email not in repr(line)


class TestFlood:
    @pytest.mark.parametrize("exists", [True, False])
    async def test_a_mailbox_gets_so_many_in_an_hour(
        self, client: AsyncClient, user: User, mailbox: Mailbox, *, exists: bool
    ) -> None:
        email = user.email if exists else "nobody@example.com"
        statuses = [(await ask(client, email)).status_code for _ in range(6)]

        assert statuses == [202] * 5 + [429]
        assert len(mailbox.messages) == (5 if exists else 0)

    async def test_spelling_makes_no_other_mailbox(self, client: AsyncClient, user: User) -> None:
        for _ in range(5):
            await ask(client, user.email)

        response = await ask(client, user.email.upper())

        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 3500

    async def test_one_address_asks_for_so_many_in_an_hour(self, client: AsyncClient) -> None:
        statuses = [
            (await ask(client, f"nobody{number}@example.com")).status_code for number in range(21)
        ]

        assert statuses == [202] * 20 + [429]

    async def test_who_is_refused_does_not_use_up_the_mailbox_of_another(
        self, app: FastAPI, state: dict[str, Any], client: AsyncClient, user: User
    ) -> None:
        for number in range(20):
            await ask(client, f"nobody{number}@example.com")
        for _ in range(5):
            assert (await ask(client, user.email)).status_code == 429

        async with client_of(app, state, client=("203.0.113.7", 50_000)) as other:
            assert (await ask(other, user.email)).status_code == 202


class TestConfirm:
    async def test_sets_the_password_once(
        self, client: AsyncClient, user: User, token: str
    ) -> None:
        response = await confirm(client, token)

        assert response.status_code == 204, response.text
        assert await log_in_with(client, user, NEW) == 200
        assert await log_in_with(client, user, PASSWORD) == 401
        assert refused(await confirm(client, token, "another kettle orchard"))
        assert await log_in_with(client, user, NEW) == 200

    async def test_logs_nobody_in(
        self, client: AsyncClient, token: str, session: AsyncSession
    ) -> None:
        response = await confirm(client, token)

        assert response.content == b""
        assert "set-cookie" not in response.headers
        assert await session.scalar(select(func.count()).select_from(LoginSession)) == 0

    async def test_spares_no_step_of_the_login(
        self, app: FastAPI, state: dict[str, Any], client: AsyncClient, user: User, token: str
    ) -> None:
        class MoreNeededError(ForbiddenError):
            code = "test.more_needed"
            title = "More needed"

        class More(LoginStep):
            async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
                raise MoreNeededError("More.")

        await confirm(client, token)

        steps = Extensions((*state["extensions"].of(Grant), More()))
        async with client_of(app, state | {"extensions": steps}) as other:
            assert await log_in_with(other, user, NEW) == 403

    async def test_ends_all_logins(self, user_client: AsyncClient, token: str) -> None:
        assert (await user_client.get("users/me")).status_code == 200

        await confirm(user_client, token)

        assert (await user_client.get("users/me")).status_code == 401

    async def test_unlocks_the_account(self, client: AsyncClient, user: User, token: str) -> None:
        for _ in range(11):
            await log_in_with(client, user, "not the password")
        assert await log_in_with(client, user, PASSWORD) == 429

        await confirm(client, token)

        assert await log_in_with(client, user, NEW) == 200

    async def test_proves_the_address(
        self, client: AsyncClient, user: User, token: str, session: AsyncSession
    ) -> None:
        with capture_logs() as lines:
            await confirm(client, token)

        assert await session.scalar(select(User.email_verified).where(User.id == user.id)) is True
        recorded = {line["name"]: line for line in lines if line["event"] == "security event"}
        assert recorded.keys() == {"email_verified", "password_changed"}
        assert recorded["password_changed"]["actor_id"] == str(user.id)

    async def test_gives_a_first_password(
        self, client: AsyncClient, session: AsyncSession, mailbox: Mailbox
    ) -> None:
        user = await create_user(session, hashed_password=None, email_verified=True)
        await ask(client, user.email)

        response = await confirm(client, token_in(mailbox.messages[0]))

        assert response.status_code == 204
        assert await log_in_with(client, user, NEW) == 200

    @pytest.mark.parametrize(
        ("password", "status"),
        [("password12345", 422), ("qwertyuiopas", 422), ("short", 422), ("x" * 129, 422)],
    )
    async def test_a_weak_password_leaves_the_link_good(
        self, client: AsyncClient, token: str, password: str, status: int
    ) -> None:
        response = await confirm(client, token, password)

        assert response.status_code == status
        assert password not in response.text
        assert (await confirm(client, token)).status_code == 204

    async def test_refuses_the_name_as_password(
        self, client: AsyncClient, session: AsyncSession, mailbox: Mailbox
    ) -> None:
        user = await create_user(session, username="charlesbabbage")
        await ask(client, user.email)

        response = await confirm(client, token_in(mailbox.messages[0]), "charlesbabbage1!")

        assert response.status_code == 422
        assert response.json()["type"] == "urn:problem:user.weak_password"

    async def test_tells_the_owner(
        self, client: AsyncClient, user: User, token: str, mailbox: Mailbox
    ) -> None:
        await confirm(client, token)

        (message,) = mailbox.messages
        assert message["Subject"] == "Your password was changed"
        assert message["To"] == f"{user.name} <{user.email}>"
        assert "from 127.0.0.1" in part(message)
        assert "http" not in part(message)

    async def test_happens_although_the_notice_is_not_delivered(
        self, client: AsyncClient, user: User, token: str, mailbox: Mailbox
    ) -> None:
        mailbox.refused.add(user.email)

        assert (await confirm(client, token)).status_code == 204
        assert await log_in_with(client, user, NEW) == 200


class TestRefusedLink:
    async def test_unknown(self, client: AsyncClient) -> None:
        assert refused(await confirm(client, new_token()))

    @pytest.mark.parametrize("token", ["", "x" * 42, "x" * 44, "x" * 42 + "!", "\ud800" * 43])
    async def test_no_token_at_all(self, client: AsyncClient, token: str) -> None:
        body = '{"token": "%s", "new_password": "%s"}' % (  # noqa: UP031 (braces)
            token.encode("ascii", "backslashreplace").decode(),
            NEW,
        )
        response = await client.post(
            "account/password-reset/confirm",
            content=body,
            headers={"content-type": "application/json"},
        )

        assert response.status_code == 422
        assert [error["loc"] for error in response.json()["errors"]] == [["body", "token"]]

    async def test_expired(
        self, client: AsyncClient, user: User, token: str, session: AsyncSession
    ) -> None:
        await session.execute(update(EmailToken).values(expires_at=datetime.now(UTC)))
        await session.commit()

        assert refused(await confirm(client, token))
        assert await log_in_with(client, user, PASSWORD) == 200

    async def test_older_than_another(
        self, client: AsyncClient, user: User, token: str, mailbox: Mailbox
    ) -> None:
        await ask(client, user.email)
        newest = token_in(mailbox.messages[0])

        assert refused(await confirm(client, token))
        assert (await confirm(client, newest)).status_code == 204

    async def test_for_another_purpose(
        self, client: AsyncClient, user: User, mailbox: Mailbox, token: str
    ) -> None:
        await client.post("account/verify-email/resend", json={"email": user.email})
        other = token_in(mailbox.messages[0])

        assert refused(await confirm(client, other))
        assert refused(await client.post("account/verify-email", json={"token": token}))
        assert refused(await client.post("account/change-email/confirm", json={"token": token}))

    @pytest.mark.parametrize(
        "values",
        [{"is_active": False}, {"deleted_at": datetime.now(UTC)}, {"email": "x@b.example"}],
    )
    async def test_of_an_account_that_has_moved_on(
        self,
        client: AsyncClient,
        user: User,
        token: str,
        session: AsyncSession,
        values: dict[str, object],
    ) -> None:
        await session.execute(update(User).where(User.id == user.id).values(values))
        await session.commit()

        assert refused(await confirm(client, token))

    async def test_is_recorded(self, client: AsyncClient) -> None:
        token = new_token()
        with capture_logs() as lines:
            await confirm(client, token)

        (line,) = [line for line in lines if line["event"] == "security event"]
        assert line["name"] == "email_token_refused"
        assert line["log_level"] == "warning"
        assert line["purpose"] == "reset"
        assert token not in repr(lines)

    async def test_records_stay_within_bounds_and_a_good_one_passes(
        self, app: FastAPI, state: dict[str, Any], token: str
    ) -> None:
        limited = state | {"auth_settings": AuthSettings(failures_per_address=2)}
        async with client_of(app, limited) as client:
            statuses = [(await confirm(client, new_token())).status_code for _ in range(3)]
            assert statuses == [404, 404, 429]

            assert (await confirm(client, token)).status_code == 204


class TestRace:
    async def test_one_of_many_at_once_wins(
        self, client: AsyncClient, committed: Database, password_hash: str, mailbox: Mailbox
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session, hashed_password=password_hash)
        await ask(client, user.email)
        token = token_in(mailbox.messages[0])
        passwords = [f"paper kettle orchard {number}" for number in range(10)]

        responses = await asyncio.gather(*(confirm(client, token, it) for it in passwords))

        statuses = Counter(response.status_code for response in responses)
        assert statuses == {204: 1, 404: 9}
        (winner,) = [
            password
            for password, response in zip(passwords, responses, strict=True)
            if response.status_code == 204
        ]
        assert await log_in_with(client, user, winner) == 200

    async def test_of_many_links_at_once_one_counts(
        self, client: AsyncClient, committed: Database, mailbox: Mailbox
    ) -> None:
        async with committed.write_sessions() as session:
            user = await create_user(session)

        await asyncio.gather(*(ask(client, user.email) for _ in range(5)))

        tokens = [token_in(message) for message in mailbox.messages]
        statuses = [(await confirm(client, token)).status_code for token in tokens]
        assert sorted(statuses) == [204, 404, 404, 404, 404]
