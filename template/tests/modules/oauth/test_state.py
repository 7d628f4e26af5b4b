from asyncio import gather
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.infrastructure.database.database import Database
from app.modules.auth.models import LoginSession
from app.modules.oauth.models import OAuthAccount, OAuthLogin
from app.modules.user.models import User
from tests.fixtures.oauth import leave, without
from tests.modules.oauth.parties import GitHub, Google
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


@pytest.fixture
async def other_browser(app: FastAPI, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
    async with client_of(app, state) as client:
        yield client


class TestState:
    async def assert_not_begun(self, response: Any, session: AsyncSession) -> None:  # noqa: ANN401
        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.not_begun"
        assert await session.scalar(select(User.id)) is None

    async def test_is_needed(self, client: AsyncClient) -> None:
        back = await leave(client, "google")

        response = await client.get("oauth/google/callback", params=without(back, "state"))

        assert response.status_code == 422

    async def test_cannot_be_guessed(self, client: AsyncClient, session: AsyncSession) -> None:
        back = await leave(client, "google")

        response = await client.get("oauth/google/callback", params=back | {"state": "x" * 43})

        await self.assert_not_begun(response, session)

    async def test_of_another_browser_is_worth_nothing(
        self, client: AsyncClient, other_browser: AsyncClient, session: AsyncSession
    ) -> None:
        """The attacker's own login, sent to the victim as a link."""
        back = await leave(client, "google")
        await leave(other_browser, "google")

        response = await other_browser.get("oauth/google/callback", params=back)

        await self.assert_not_begun(response, session)

    async def test_without_the_cookie_is_worth_nothing(
        self, client: AsyncClient, other_browser: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave(client, "google")

        response = await other_browser.get("oauth/google/callback", params=back)

        await self.assert_not_begun(response, session)

    async def test_is_not_used_up_by_somebody_else(
        self, client: AsyncClient, other_browser: AsyncClient
    ) -> None:
        back = await leave(client, "google")
        await other_browser.get("oauth/google/callback", params=back)

        response = await client.get("oauth/google/callback", params=back)

        assert response.status_code == 200, response.text

    async def test_of_one_provider_is_worth_nothing_at_another(
        self, client: AsyncClient, github: GitHub, session: AsyncSession
    ) -> None:
        back = await leave(client, "google")

        response = await client.get("oauth/github/callback", params=back)

        await self.assert_not_begun(response, session)
        assert github.requests == []

    async def test_runs_out(self, client: AsyncClient, session: AsyncSession) -> None:
        back = await leave(client, "google")
        await session.execute(update(OAuthLogin).values(expires_at=datetime.now(UTC)))
        await session.commit()

        response = await client.get("oauth/google/callback", params=back)

        await self.assert_not_begun(response, session)

    async def test_is_stored_for_ten_minutes(
        self, client: AsyncClient, session: AsyncSession
    ) -> None:
        await client.get("oauth/google/authorize")

        expires_at = await session.scalar(select(OAuthLogin.expires_at))
        assert expires_at is not None
        assert abs(expires_at - datetime.now(UTC) - timedelta(minutes=10)) < timedelta(minutes=1)


class TestReplay:
    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_of_a_callback_is_refused(self, client: AsyncClient, provider: str) -> None:
        back = await leave(client, provider)
        secret = client.cookies["oauth"]
        assert (await client.get(f"oauth/{provider}/callback", params=back)).status_code == 200

        client.cookies.set("oauth", secret)
        response = await client.get(f"oauth/{provider}/callback", params=back)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.not_begun"

    async def test_of_a_refused_callback_is_refused(
        self, client: AsyncClient, google: Google
    ) -> None:
        google.account = "mallory"
        back = await leave(client, "google")
        await client.get("oauth/google/callback", params=back)

        response = await client.get("oauth/google/callback", params=back)

        assert response.json()["type"] == "urn:problem:oauth.not_begun"

    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_of_a_code_is_refused(self, client: AsyncClient, provider: str) -> None:
        first = await leave(client, provider)
        await client.get(f"oauth/{provider}/callback", params=first)
        second = await leave(client, provider)

        response = await client.get(
            f"oauth/{provider}/callback", params=second | {"code": first["code"]}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.identity_refused"

    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_of_somebody_elses_code_is_refused(
        self, client: AsyncClient, other_browser: AsyncClient, provider: str
    ) -> None:
        """A code that leaked does not fit the verifier of another login."""
        stolen = await leave(client, provider)
        own = await leave(other_browser, provider)

        response = await other_browser.get(
            f"oauth/{provider}/callback", params=own | {"code": stolen["code"]}
        )

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.identity_refused"

    async def test_at_the_same_moment_lets_one_in(
        self, committed: Database, client: AsyncClient
    ) -> None:
        back = await leave(client, "github")

        answers = await gather(
            *(client.get("oauth/github/callback", params=back) for _ in range(5))
        )

        assert sorted(it.status_code for it in answers) == [200, 403, 403, 403, 403]
        async with committed.reading() as session:
            assert await session.scalar(select(func.count(LoginSession.id))) == 1


class TestSameMoment:
    @pytest.mark.parametrize("providers", [["google"] * 4, ["github", "google"] * 2])
    async def test_one_newcomer_gets_one_account(
        self,
        committed: Database,
        app: FastAPI,
        state: dict[str, Any],
        providers: list[str],
    ) -> None:
        clients = [client_of(app, state) for _ in providers]
        pairs = list(zip(clients, providers, strict=True))
        backs = [await leave(client, provider) for client, provider in pairs]

        answers = await gather(
            *(
                client.get(f"oauth/{provider}/callback", params=back)
                for (client, provider), back in zip(pairs, backs, strict=True)
            )
        )

        assert [it.status_code for it in answers] == [200] * 4
        async with committed.reading() as session:
            assert await session.scalar(select(func.count(User.id))) == 1
            linked = (await session.scalars(select(OAuthAccount.provider))).all()
        assert sorted(linked) == sorted(set(providers))
        for client in clients:
            await client.aclose()
