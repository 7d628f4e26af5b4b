from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.bootstrap.lifespan import open_features
from app.infrastructure.database.purge import purge
from app.modules.oauth.feature import feature
from app.modules.oauth.models import OAuthAccount, OAuthLogin
from app.modules.oauth.settings import OAuthSettings
from app.modules.user.models import User
from tests.fixtures.oauth import leave, query_of
from tests.modules.oauth.parties import GitHub
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


async def test_has_the_providers_whose_credentials_are_set() -> None:
    secret = SecretStr("secret")
    settings = OAuthSettings(
        openid_issuer="https://login.example.com",
        openid_client_id="id",
        openid_client_secret=secret,
        openid_name="Example",
    )
    async with open_features([feature(settings)]) as state:
        providers = state["oauth_providers"]()

    assert [(it.name, it.title) for it in providers.values()] == [("openid", "Example")]


class TestRedirectUrl:
    @pytest.fixture
    def fixed(self, state: dict[str, Any]) -> dict[str, Any]:
        changes = {"redirect_url": "https://app.example.com/login/{provider}"}
        return state | {"oauth_settings": state["oauth_settings"].model_copy(update=changes)}

    async def test_may_be_a_page_of_the_frontend(self, app: FastAPI, fixed: dict[str, Any]) -> None:
        """Which passes the query on; behind a proxy that ends TLS, requests look like http."""
        async with client_of(app, fixed) as client:
            response = await client.get("oauth/github/authorize")
            location = response.headers["location"]
            assert "; Secure" in response.headers["set-cookie"]
            assert response.headers["set-cookie"].startswith("__Host-oauth=")

        assert query_of(location)["redirect_uri"] == "https://app.example.com/login/github"

    async def test_is_the_same_when_the_code_is_redeemed(
        self, app: FastAPI, fixed: dict[str, Any]
    ) -> None:
        async with client_of(app, fixed, base_url="https://test") as client:
            back = await leave(client, "github")
            response = await client.get("oauth/github/callback", params=back)

        assert response.status_code == 200, response.text


class TestPersonalData:
    async def test_is_exported(
        self, user_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        session.add(OAuthAccount(user_id=user.id, provider="github", subject="1815"))
        await session.commit()

        (account,) = (await user_client.get("users/me/export")).json()["oauth_accounts"]

        assert (account["provider"], account["subject"]) == ("github", "1815")

    async def test_is_erased(
        self, superuser_client: AsyncClient, user: User, session: AsyncSession
    ) -> None:
        session.add(OAuthAccount(user_id=user.id, provider="github", subject="1815"))
        await session.commit()

        await superuser_client.delete(f"users/{user.id}")

        assert await session.scalar(select(OAuthAccount)) is None


async def test_logins_that_never_came_back_are_purged(
    client: AsyncClient, state: dict[str, Any], session: AsyncSession, github: GitHub
) -> None:
    for _ in range(2):
        await leave(client, "github")
    row = await session.scalar(select(OAuthLogin))
    assert row is not None
    row.expires_at = datetime.now(UTC) - timedelta(seconds=1)
    await session.commit()

    counts = await purge(state["database"], state["extensions"])

    assert counts["oauth_logins"] == 1
    assert await session.scalar(select(func.count(OAuthLogin.id))) == 1
    assert github.requests
