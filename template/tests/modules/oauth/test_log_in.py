from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.oauth.models import OAuthAccount
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.modules.oauth.parties import GitHub, Google, Person

from .samples import GOOGLE_ADA, finish

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


async def link(session: AsyncSession, user: User, **values: object) -> OAuthAccount:
    defaults = {"provider": "google", "subject": GOOGLE_ADA, "email": "ada@example.com"}
    account = OAuthAccount(user_id=user.id, **defaults | values)
    session.add(account)
    await session.commit()
    return account


class TestReturning:
    async def test_gets_the_same_account(
        self, client: AsyncClient, google: Google, session: AsyncSession
    ) -> None:
        assert (await finish(client)).status_code == 200
        google.people["ada"] = Person(1815, "Ada King", "other@example.com", is_verified=False)

        assert (await finish(client)).status_code == 200

        assert len((await session.scalars(select(User.id))).all()) == 1
        assert len((await session.scalars(select(OAuthAccount.id))).all()) == 1

    async def test_may_have_another_address_by_now(
        self, client: AsyncClient, google: Google, session: AsyncSession
    ) -> None:
        assert (await finish(client)).status_code == 200
        google.people["ada"] = Person(1815, "Ada King", "other@example.com")

        assert (await finish(client)).status_code == 200

        assert (await session.scalars(select(User.email))).all() == ["ada@example.com"]

    async def test_notes_when(self, client: AsyncClient, session: AsyncSession) -> None:
        user = await create_user(session)
        account = await link(session, user)

        await finish(client)

        await session.refresh(account)
        assert account.last_login_at is not None
        assert (datetime.now(UTC) - account.last_login_at).total_seconds() < 60

    async def test_the_id_of_one_provider_is_nobody_at_another(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        victim = await create_user(session)
        await link(session, victim, subject="1815")

        response = await finish(client, "github")

        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        assert (await client.get("users/me")).json()["id"] != str(victim.id)

    @pytest.mark.parametrize("is_linked", [True, False])
    async def test_stays_out_of_a_closed_account(
        self, client: AsyncClient, session: AsyncSession, *, is_linked: bool
    ) -> None:
        user = await create_user(
            session, email="ada@example.com", email_verified=True, is_active=False
        )
        if is_linked:
            await link(session, user)

        with capture_logs() as logs:
            response = await finish(client)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.account_closed"
        refusals = [it for it in logs if it.get("name") == "oauth_login_refused"]
        assert [it["target_id"] for it in refusals] == [str(user.id)]
        assert len((await session.scalars(select(OAuthAccount))).all()) == int(is_linked)

    async def test_begins_anew_after_giving_the_account_up(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        gone = await create_user(session, deleted_at=datetime.now(UTC), is_active=False)
        await link(session, gone)

        response = await finish(client)

        assert response.status_code == 200, response.text
        account = await session.scalar(select(OAuthAccount))
        assert account is not None
        assert account.user_id != gone.id


class TestAccountWithTheSameAddress:
    async def test_is_linked_if_both_sides_have_checked_it(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        user = await create_user(session, email="ada@example.com", email_verified=True)

        with capture_logs() as logs:
            response = await finish(client)

        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        assert (await client.get("users/me")).json()["id"] == str(user.id)
        linked = next(it for it in logs if it.get("name") == "oauth_linked")
        assert linked["target_id"] == str(user.id)
        assert (linked["provider"], linked["by"]) == ("google", "email")

    async def test_is_not_opened_if_its_own_is_unverified(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        """Somebody else may have registered it, to be in the account when its owner comes."""
        await create_user(session, email="ada@example.com", email_verified=False)

        response = await finish(client)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:oauth.account_exists"
        assert "ada" not in response.text
        assert await session.scalar(select(OAuthAccount)) is None

    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_is_not_opened_by_an_address_that_nobody_checked(
        self,
        client: AsyncClient,
        google: Google,
        github: GitHub,
        session: AsyncSession,
        provider: str,
    ) -> None:
        await create_user(session, email="ada@example.com", email_verified=True)
        google.account = github.account = "mallory"

        response = await finish(client, provider)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.unverified_email"
        assert await session.scalar(select(OAuthAccount)) is None

    async def test_is_not_opened_by_a_second_one_of_a_provider(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        user = await create_user(session, email="ada@example.com", email_verified=True)
        await link(session, user, subject="somebody else")

        response = await finish(client)

        assert response.status_code == 409
        assert response.json()["type"] == "urn:problem:oauth.provider_taken"


async def test_a_login_counts_as_a_recent_one(client: AsyncClient) -> None:
    response = await finish(client)

    client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
    assert (await client.delete("users/me")).status_code == 204


async def test_the_tokens_of_the_provider_go_nowhere(
    client: AsyncClient, google: Google, session: AsyncSession
) -> None:
    with capture_logs() as logs:
        response = await finish(client)

    row = await session.scalar(select(OAuthAccount))
    seen = f"{logs} {response.text} {response.headers} {vars(row)}"
    assert google.tokens
    assert not [token for token in google.tokens if token in seen]
    assert not [code for code in google.codes if code in seen]


async def test_is_in_the_log(client: AsyncClient) -> None:
    with capture_logs() as logs:
        await finish(client)

    names = [it["name"] for it in logs if it["event"] == "security event"]
    assert names == ["account_registered", "oauth_linked", "login_success"]


async def test_a_limited_token_links_nothing(
    client: AsyncClient, state: dict[str, Any], user: User
) -> None:
    await log_in(client, state, user, scopes=["profile:read"])

    assert (await client.get("oauth/accounts")).status_code == 403
