import pytest
from httpx2 import AsyncClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.modules.oauth.models import OAuthAccount
from app.modules.user.models import User
from tests.fixtures.oauth import leave, query_of
from tests.modules.oauth.parties import GitHub, Person

pytestmark = pytest.mark.anyio


async def test_is_asked_for_addresses_alone(client: AsyncClient, github: GitHub) -> None:
    location = (await client.get("oauth/github/authorize")).headers["location"]

    assert location.startswith(f"{github.url}/login/oauth/authorize?")
    assert query_of(location)["scope"] == "user:email"
    assert "nonce" not in query_of(location)


async def test_without_a_name_the_login_will_do(
    client: AsyncClient, github: GitHub, session: AsyncSession
) -> None:
    github.people["ada"] = Person(7, None, "who@example.com")

    response = await client.get("oauth/github/callback", params=await leave(client, "github"))

    assert response.status_code == 200, response.text
    assert await session.scalar(select(User.username)) == "octocat"
    assert await session.scalar(select(OAuthAccount.subject)) == "7"


@pytest.mark.parametrize("kind", ["error", "refusal", "html", "redirect", "large"])
@pytest.mark.parametrize("where", ["/login/oauth/access_token", "/user", "/user/emails"])
async def test_a_failure_is_not_the_callers(
    client: AsyncClient, github: GitHub, kind: str, where: str
) -> None:
    github.fault = f"{kind} {where}"
    back = await leave(client, "github")

    response = await client.get("oauth/github/callback", params=back)

    assert response.status_code == 503
    assert response.json()["type"] == "urn:problem:oauth.provider_unavailable"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/user", [], 503),
        ("/user", {}, 403),
        ("/user", {"id": "1815"}, 403),
        ("/user", {"id": True}, 403),
        ("/user/emails", {}, 503),
        ("/user/emails", [1, {}], 403),
        ("/user/emails", [{"email": "a@b.example", "primary": 1, "verified": 1}], 403),
        ("/user/emails", [{"email": 1, "primary": True, "verified": True}], 403),
    ],
)
async def test_another_shape_is_nobody(
    client: AsyncClient, github: GitHub, path: str, body: object, status: int
) -> None:
    github.bodies = {path: body}
    back = await leave(client, "github")

    response = await client.get("oauth/github/callback", params=back)

    assert response.status_code == status
