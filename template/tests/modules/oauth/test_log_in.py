from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from app.modules.oauth.models import OAuthAccount, OAuthLogin
from app.modules.user.models import User
from tests.fixtures.auth import create_user, log_in
from tests.fixtures.oauth import leave, query_of
from tests.modules.oauth.parties import CLIENT_ID, GitHub, Google, Person
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]

GOOGLE_ADA = "100000000000000001815"


async def finish(client: AsyncClient, provider: str = "google") -> Any:  # noqa: ANN401
    back = await leave(client, provider)
    return await client.get(f"oauth/{provider}/callback", params=back)


async def link(session: AsyncSession, user: User, **values: object) -> OAuthAccount:
    defaults = {"provider": "google", "subject": GOOGLE_ADA, "email": "ada@example.com"}
    account = OAuthAccount(user_id=user.id, **defaults | values)
    session.add(account)
    await session.commit()
    return account


class TestListProviders:
    async def test_names_those_that_are_configured(self, client: AsyncClient) -> None:
        response = await client.get("oauth/providers")

        assert response.status_code == 200
        assert response.json() == [
            {"name": "google", "title": "Google"},
            {"name": "github", "title": "GitHub"},
        ]


class TestBegin:
    async def test_sends_the_browser_to_the_provider(
        self, client: AsyncClient, google: Google
    ) -> None:
        response = await client.get("oauth/google/authorize")

        assert response.status_code == 303
        location = response.headers["location"]
        assert location.startswith(f"{google.url}/o/oauth2/v2/auth?")
        query = query_of(location)
        assert query.keys() == {
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        }
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == "http://test/api/v1/oauth/google/callback"
        assert query["scope"] == "openid email profile"
        assert query["code_challenge_method"] == "S256"
        assert {len(query[name]) for name in ("state", "nonce", "code_challenge")} == {43}

    async def test_everything_differs_from_login_to_login(
        self,
        client: AsyncClient,
    ) -> None:
        first = query_of((await client.get("oauth/google/authorize")).headers["location"])
        second = query_of((await client.get("oauth/google/authorize")).headers["location"])

        for name in ("state", "nonce", "code_challenge"):
            assert first[name] != second[name]

    async def test_the_cookie_is_for_us_alone(
        self,
        client: AsyncClient,
    ) -> None:
        response = await client.get("oauth/github/authorize")

        name, _, rest = response.headers["set-cookie"].partition("=")
        value, *attributes = rest.split("; ")
        assert name == "oauth"
        assert len(value) == 43
        assert sorted(attributes) == ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=lax"]

    async def test_the_cookie_is_bound_to_the_host_over_https(
        self,
        app: FastAPI,
        state: dict[str, Any],
    ) -> None:
        async with client_of(app, state, base_url="https://test") as client:
            back = await leave(client, "github")
            cookies = list(client.cookies.jar)
            response = await client.get("oauth/github/callback", params=back)

        assert [(it.name, it.secure, it.path) for it in cookies] == [("__Host-oauth", True, "/")]
        assert response.status_code == 200, response.text
        assert '__Host-oauth=""' in response.headers["set-cookie"]

    async def test_stores_nothing_that_would_finish_it(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        response = await client.get("oauth/google/authorize")

        row = await session.scalar(select(OAuthLogin))
        assert row is not None
        stored = {str(value) for value in vars(row).values()}
        sent = query_of(response.headers["location"])
        assert not stored & {sent["state"], sent["nonce"], client.cookies["oauth"]}

    @pytest.mark.parametrize("path", ["authorize", "callback?state=x"])
    @pytest.mark.parametrize("provider", ["openid", "nobody", "accounts"])
    async def test_knows_only_those_that_are_configured(
        self, client: AsyncClient, provider: str, path: str
    ) -> None:
        response = await client.get(f"oauth/{provider}/{path}")

        assert response.status_code == 404
        assert response.json()["type"] == "urn:problem:oauth.unknown_provider"

    async def test_refuses_a_form_that_nobody_hands_out(self, client: AsyncClient) -> None:
        response = await client.get("oauth/github/authorize", params={"grant": "carrier-pigeon"})

        assert response.status_code == 422

    async def test_has_a_bound_for_each_address(self, app: FastAPI, state: dict[str, Any]) -> None:
        few = state["oauth_settings"].model_copy(update={"starts_per_address": 1})
        async with client_of(app, state | {"oauth_settings": few}) as client:
            answers = [await client.get("oauth/github/authorize") for _ in range(2)]

        assert [it.status_code for it in answers] == [303, 429]
        assert answers[1].headers["retry-after"]


class TestNewcomer:
    @pytest.mark.parametrize(("provider", "subject"), [("google", GOOGLE_ADA), ("github", "1815")])
    async def test_gets_an_account(
        self,
        client: AsyncClient,
        session: AsyncSession,
        provider: str,
        subject: str,
    ) -> None:
        response = await finish(client, provider)

        assert response.status_code == 200, response.text
        assert response.json()["token_type"] == "bearer"
        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        account = (await client.get("users/me")).json()
        assert account["name"] == "Ada Lovelace"
        assert account["username"] == "ada_lovelace"
        assert account["email"] == "ada@example.com"
        assert account["email_verified"] is True
        row = await session.scalar(select(OAuthAccount))
        assert row is not None
        assert (row.provider, row.subject, row.email) == (provider, subject, "ada@example.com")
        assert row.last_login_at is not None
        hashed = await session.scalar(select(User.hashed_password))
        assert hashed is None

    async def test_is_said_to_be_vouched_for_by_another_party(
        self,
        client: AsyncClient,
    ) -> None:
        response = await finish(client, "github")

        client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
        sessions = (await client.get("auth/sessions")).json()
        assert [it["methods"] for it in sessions] == [["fed"]]

    async def test_takes_another_username_if_theirs_is_taken(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        await create_user(session, username="ada_lovelace")

        response = await finish(client)

        assert response.status_code == 200, response.text
        name = await session.scalar(select(User.username).where(User.email == "ada@example.com"))
        assert name is not None
        assert name.startswith("ada_lovelace_")

    async def test_gets_the_canonical_address(
        self, client: AsyncClient, google: Google, session: AsyncSession
    ) -> None:
        google.account = "grace"

        await finish(client)

        assert await session.scalar(select(User.email)) == "grace@example.com"

    @pytest.mark.parametrize("provider", ["google", "github"])
    @pytest.mark.parametrize("account", ["mallory", "bob"])
    async def test_needs_an_address_that_the_provider_vouches_for(
        self,
        client: AsyncClient,
        google: Google,
        github: GitHub,
        session: AsyncSession,
        provider: str,
        account: str,
    ) -> None:
        google.account = github.account = account

        response = await finish(client, provider)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.unverified_email"
        assert await session.scalar(select(User.id)) is None

    @pytest.mark.parametrize("email", ["ada@localhost", "not an address", "a" * 250 + "@b.example"])
    async def test_needs_an_address_that_can_be_one(
        self, client: AsyncClient, google: Google, email: str
    ) -> None:
        google.people["ada"] = Person(1, "Ada", email)

        response = await finish(client)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.unverified_email"

    @pytest.mark.parametrize(
        ("value", "status"),
        [
            (True, 200),
            ("true", 200),
            ("false", 403),
            ("True", 403),
            (1, 403),
            ("", 403),
            ([1], 403),
        ],
    )
    async def test_nothing_but_true_is_true(
        self, client: AsyncClient, google: Google, value: object, status: int
    ) -> None:
        google.changes = {"email_verified": value}

        response = await finish(client)

        assert response.status_code == status

    async def test_stays_out_while_registration_is_closed(
        self, app: FastAPI, state: dict[str, Any], session: AsyncSession
    ) -> None:
        closed = state["auth_settings"].model_copy(update={"registration_enabled": False})
        async with client_of(app, state | {"auth_settings": closed}) as client:
            response = await finish(client)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:user.registration_closed"
        assert await session.scalar(select(User.id)) is None

    async def test_counts_as_a_registration(
        self, app: FastAPI, google: Google, state: dict[str, Any], session: AsyncSession
    ) -> None:
        few = state["auth_settings"].model_copy(update={"registrations_per_address": 1})
        async with client_of(app, state | {"auth_settings": few}) as client:
            first = await finish(client)
            again = await finish(client)
            google.account = "grace"
            second = await finish(client)

        assert [first.status_code, again.status_code, second.status_code] == [200, 200, 429]
        assert len((await session.scalars(select(User.id))).all()) == 1


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


class TestRegistration:
    @pytest.mark.parametrize(
        "field", ["google_id", "github_id", "oauth_provider", "provider", "subject"]
    )
    async def test_takes_no_id_of_a_provider(
        self, client: AsyncClient, session: AsyncSession, field: str
    ) -> None:
        """Else whoever registers somebody's id first would have them in his account."""
        response = await client.post(
            "users",
            json={
                "name": "Mallory",
                "username": "mallory",
                "email": "mallory@example.com",
                "password": "correct horse battery",
                field: GOOGLE_ADA,
            },
        )

        assert response.status_code == 422
        assert await session.scalar(select(User.id)) is None


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
