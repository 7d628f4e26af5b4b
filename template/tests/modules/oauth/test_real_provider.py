"""The whole way against a provider that is none of ours."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from httpx2 import URL, AsyncClient
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.oauth.asking import Asking
from app.modules.oauth.models import OAuthAccount
from app.modules.oauth.openid import OpenIDProvider
from app.modules.oauth.providers import Client
from app.modules.user.models import User
from tests.fixtures.oauth import query_of
from tests.modules.oauth.parties import CLIENT_ID, CLIENT_SECRET
from tests.support import client_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(
    app: FastAPI, state: dict[str, Any], openid_issuer: str
) -> AsyncGenerator[AsyncClient]:
    known = Client(name="openid", title="Real", id=CLIENT_ID, secret=SecretStr(CLIENT_SECRET))
    asking = Asking(timeout_seconds=10)
    provider = OpenIDProvider(known, asking, issuer=openid_issuer)
    async with client_of(app, state | {"oauth_providers": lambda: {"openid": provider}}) as client:
        yield client
    await asking.aclose()


async def leave(client: AsyncClient, account: str) -> dict[str, str]:
    """Log in there as `account`, and return what the browser comes back with."""
    begun = await client.get("oauth/openid/authorize")
    url = str(URL(begun.headers["location"]).copy_merge_params({"login_hint": account}))
    async with AsyncClient() as browser:
        while not url.startswith("http://test/"):
            response = await browser.get(url)
            assert response.status_code == 303, response.text
            url = urljoin(url, response.headers["location"])
    return query_of(url)


async def test_logs_in(client: AsyncClient, session: AsyncSession, openid_issuer: str) -> None:
    back = await leave(client, "ada")
    assert back.keys() == {"code", "state", "iss"}
    assert back["iss"] == openid_issuer

    response = await client.get("oauth/openid/callback", params=back)

    assert response.status_code == 200, response.text
    client.headers["authorization"] = f"Bearer {response.json()['access_token']}"
    account = (await client.get("users/me")).json()
    assert (account["name"], account["email"]) == ("Ada Lovelace", "ada@example.com")
    assert await session.scalar(select(OAuthAccount.subject)) == "ada"


async def test_finds_the_account_again(client: AsyncClient, session: AsyncSession) -> None:
    for _ in range(2):
        back = await leave(client, "ada")
        assert (await client.get("oauth/openid/callback", params=back)).status_code == 200

    assert len((await session.scalars(select(User.id))).all()) == 1


@pytest.mark.parametrize("account", ["mallory", "bob"])
async def test_refuses_who_has_no_verified_address(client: AsyncClient, account: str) -> None:
    back = await leave(client, account)

    response = await client.get("oauth/openid/callback", params=back)

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:oauth.unverified_email"


async def test_may_be_declined(client: AsyncClient) -> None:
    back = await leave(client, "nobody")
    assert back["error"] == "access_denied"

    response = await client.get("oauth/openid/callback", params=back)

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:oauth.declined"


async def test_refuses_a_replay(client: AsyncClient) -> None:
    first = await leave(client, "ada")
    await client.get("oauth/openid/callback", params=first)

    again = await client.get("oauth/openid/callback", params=first)
    second = await leave(client, "ada")
    used = await client.get("oauth/openid/callback", params=second | {"code": first["code"]})

    assert again.json()["type"] == "urn:problem:oauth.not_begun"
    assert used.json()["type"] == "urn:problem:oauth.identity_refused"


async def test_refuses_the_code_of_another_login(client: AsyncClient) -> None:
    stolen = await leave(client, "ada")
    own = await leave(client, "bob")

    response = await client.get("oauth/openid/callback", params=own | {"code": stolen["code"]})

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem:oauth.identity_refused"
