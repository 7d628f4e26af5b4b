from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.oauth.models import OAuthLogin
from tests.fixtures.oauth import leave, query_of
from tests.modules.oauth.parties import CLIENT_ID, Google
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


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
