from asyncio import gather
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.infrastructure.database.database import Database
from app.modules.auth.models import LoginSession
from app.modules.oauth.models import OAuthAccount
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.fixtures.oauth import leave, query_of, visit
from tests.modules.oauth.parties import GitHub, Google
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


async def leave_to_link(client: AsyncClient, provider: str, **query: str) -> dict[str, str]:
    response = await client.post(f"oauth/{provider}/link", params=query)
    assert response.status_code == 200, response.text
    return await visit(response.json()["authorization_url"])


async def links(session: AsyncSession, user: User, *providers: str) -> list[OAuthAccount]:
    accounts = [
        OAuthAccount(user_id=user.id, provider=name, subject=f"{name} {user.id}")
        for name in providers
    ]
    session.add_all(accounts)
    await session.commit()
    return accounts


class TestLink:
    async def test_links_whoever_logs_in_there(
        self, user_client: AsyncClient, user: User, github: GitHub, session: AsyncSession
    ) -> None:
        """Whatever their address: the account's owner says that it is them."""
        github.account = "bob"
        back = await leave_to_link(user_client, "github")

        with capture_logs() as logs:
            response = await user_client.get("oauth/github/callback", params=back)

        assert response.status_code == 200, response.text
        body = response.json()
        assert body.keys() == {"id", "provider", "created_at"}
        assert body["provider"] == "github"
        account = await session.scalar(select(OAuthAccount))
        assert account is not None
        assert (account.user_id, account.subject) == (user.id, "42")
        events = [it for it in logs if it["event"] == "security event"]
        assert [(it["name"], it["by"]) for it in events] == [("oauth_linked", "session")]

    async def test_needs_the_browser_alone_to_come_back(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave_to_link(user_client, "google", next="/settings")
        del user_client.headers["authorization"]

        response = await user_client.get("oauth/google/callback", params=back)

        assert response.status_code == 303
        assert response.headers["location"] == "/settings"
        assert await session.scalar(select(func.count(OAuthAccount.id))) == 1
        assert list(user_client.cookies) == []

    async def test_then_logs_in(
        self, user_client: AsyncClient, client: AsyncClient, user: User
    ) -> None:
        back = await leave_to_link(user_client, "google")
        await user_client.get("oauth/google/callback", params=back)

        response = await client.get("oauth/google/callback", params=await leave(client, "google"))

        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        assert (await client.get("users/me")).json()["id"] == str(user.id)

    async def test_a_second_time_changes_nothing(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        for _ in range(2):
            back = await leave_to_link(user_client, "google")
            response = await user_client.get("oauth/google/callback", params=back)
            assert response.status_code == 200, response.text

        assert await session.scalar(select(func.count(OAuthAccount.id))) == 1

    async def test_takes_a_login(self, client: AsyncClient) -> None:
        assert (await client.post("oauth/google/link")).status_code == 401

    async def test_takes_a_recent_login(
        self, client: AsyncClient, state: dict[str, Any], user: User
    ) -> None:
        await log_in(client, state, user, age=timedelta(hours=1))

        response = await client.post("oauth/google/link")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"

    async def test_knows_only_configured_providers(self, user_client: AsyncClient) -> None:
        assert (await user_client.post("oauth/openid/link")).status_code == 404

    async def test_of_another_browser_is_refused(
        self, user_client: AsyncClient, client: AsyncClient, session: AsyncSession
    ) -> None:
        """The attacker's own link, finished by a victim who would then be in his account."""
        back = await leave_to_link(user_client, "google")

        response = await client.get("oauth/google/callback", params=back)

        assert response.status_code == 403
        assert await session.scalar(select(OAuthAccount)) is None

    async def test_cannot_be_used_to_log_in(
        self, user_client: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave_to_link(user_client, "google")

        response = await user_client.get("oauth/google/callback", params=back)

        assert "access_token" not in response.text
        assert await session.scalar(select(func.count(LoginSession.id))) == 1

    @pytest.mark.parametrize("end", ["logout", "deactivation", "closing"])
    async def test_ends_with_the_login_that_asked(
        self, user_client: AsyncClient, user: User, session: AsyncSession, end: str
    ) -> None:
        back = await leave_to_link(user_client, "google")
        if end == "logout":
            await user_client.post("auth/logout")
        else:
            user.is_active = False
            user.deleted_at = datetime.now(UTC) if end == "closing" else None
            await session.commit()

        response = await user_client.get("oauth/google/callback", params=back)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.not_begun"
        assert await session.scalar(select(OAuthAccount)) is None

    async def test_of_what_is_linked_to_somebody_else_is_refused(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        other = await create_user(session)
        (account,) = await links(session, other, "github")
        account.subject = "1815"
        await session.commit()
        back = await leave_to_link(user_client, "github")

        response = await user_client.get("oauth/github/callback", params=back)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:oauth.identity_taken"
        assert str(other.id) not in response.text
        assert await session.scalar(select(OAuthAccount.user_id)) != user.id

    async def test_of_a_second_one_at_a_provider_is_refused(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await links(session, user, "google")
        back = await leave_to_link(user_client, "google")

        response = await user_client.get("oauth/google/callback", params=back)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:oauth.provider_taken"

    async def test_is_bound_to_the_redirect_of_the_provider(self, user_client: AsyncClient) -> None:
        url = (await user_client.post("oauth/google/link")).json()["authorization_url"]

        redirect = query_of(url)["redirect_uri"]
        assert redirect == "http://test/api/v1/oauth/google/callback"

    async def test_by_two_at_once_is_won_by_one(
        self, committed: Database, app: FastAPI, state: dict[str, Any]
    ) -> None:
        async with committed.transaction() as session:
            users = [User(name=f"U{n}", username=f"u{n}", email=f"u{n}@b.example") for n in "ab"]
            session.add_all(users)
        clients = [await log_in(client_of(app, state), state, user) for user in users]
        backs = [await leave_to_link(client, "github") for client in clients]

        answers = await gather(
            *(
                client.get("oauth/github/callback", params=back)
                for client, back in zip(clients, backs, strict=True)
            )
        )

        assert sorted(it.status_code for it in answers) == [200, 409]
        for client in clients:
            await client.aclose()


class TestList:
    async def test_shows_your_own(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await links(session, await create_user(session), "google")
        first, second = await links(session, user, "google", "github")

        response = await user_client.get("oauth/accounts")

        assert response.status_code == 200
        assert [it["id"] for it in response.json()] == [str(second.id), str(first.id)]
        assert response.json()[0].keys() == {
            "id",
            "provider",
            "email",
            "created_at",
            "last_login_at",
        }

    async def test_takes_a_login(self, client: AsyncClient) -> None:
        assert (await client.get("oauth/accounts")).status_code == 401


class TestUnlink:
    async def test_ends_it(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        (account,) = await links(session, user, "google")

        with capture_logs() as logs:
            response = await user_client.delete(f"oauth/accounts/{account.id}")

        assert response.status_code == 204
        assert (await user_client.get("oauth/accounts")).json() == []
        event = next(it for it in logs if it.get("name") == "oauth_unlinked")
        assert (event["target_id"], event["provider"]) == (str(user.id), "google")

    async def test_leaves_a_way_in(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await session.execute(update(User).values(hashed_password=None))
        first, second = await links(session, user, "google", "github")

        assert (await user_client.delete(f"oauth/accounts/{first.id}")).status_code == 204
        response = await user_client.delete(f"oauth/accounts/{second.id}")

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:oauth.last_credential"
        assert len((await user_client.get("oauth/accounts")).json()) == 1

    async def test_a_provider_that_is_off_is_no_way_in(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        await session.execute(update(User).values(hashed_password=None))
        account, _ = await links(session, user, "google", "openid")

        response = await user_client.delete(f"oauth/accounts/{account.id}")

        assert response.status_code == 409

    async def test_of_the_last_two_at_once_leaves_one(
        self, committed: Database, app: FastAPI, state: dict[str, Any]
    ) -> None:
        async with committed.transaction() as session:
            user = User(name="Ada", username="ada", email="ada@example.com")
            session.add(user)
        async with committed.transaction() as session:
            accounts = [
                OAuthAccount(user_id=user.id, provider=name, subject="1")
                for name in ("google", "github")
            ]
            session.add_all(accounts)
        async with client_of(app, state) as client:
            await log_in(client, state, user)
            answers = await gather(
                *(client.delete(f"oauth/accounts/{account.id}") for account in accounts)
            )
            left = (await client.get("oauth/accounts")).json()

        assert sorted(it.status_code for it in answers) == [204, 409]
        assert len(left) == 1

    async def test_is_for_your_own(self, user_client: AsyncClient, session: AsyncSession) -> None:
        (account,) = await links(session, await create_user(session), "google")

        for account_id in (account.id, uuid4()):
            response = await user_client.delete(f"oauth/accounts/{account_id}")
            assert response.status_code == 404
            assert response.json()["type"] == "urn:problem:oauth.account_not_found"
        assert await session.scalar(select(func.count(OAuthAccount.id))) == 1

    async def test_takes_a_recent_login(
        self, client: AsyncClient, state: dict[str, Any], user: User, session: AsyncSession
    ) -> None:
        (account,) = await links(session, user, "google")
        await log_in(client, state, user, age=timedelta(hours=1))

        response = await client.delete(f"oauth/accounts/{account.id}")

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:auth.recent_login_required"


async def test_a_login_of_the_provider_unlinks_nothing_of_others(
    user_client: AsyncClient, google: Google, session: AsyncSession
) -> None:
    other = await create_user(session, email="ada@example.com", email_verified=True)
    google.account = "ada"
    back = await leave_to_link(user_client, "google")

    response = await user_client.get("oauth/google/callback", params=back)

    assert response.status_code == 200
    assert await session.scalar(select(OAuthAccount.user_id)) != other.id
