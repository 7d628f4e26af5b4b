"""What somebody may try with the way back from a provider."""

from asyncio import gather
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI, Response
from httpx2 import AsyncClient
from pydantic import BaseModel
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.features import enabled_features
from app.bootstrap.settings import Settings
from app.core.errors import ForbiddenError
from app.core.feature import Feature, extensions_of
from app.infrastructure.database.database import Database
from app.modules.auth.models import LoginSession
from app.modules.auth.steps import Grant, Login, LoginStep
from app.modules.oauth.models import OAuthAccount, OAuthLogin
from app.modules.user.models import User
from tests.fixtures.oauth import leave, without
from tests.modules.oauth.parties import EVIL, GitHub, Google
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


class TestErrorOfTheProvider:
    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_a_person_may_decline(
        self, client: AsyncClient, google: Google, github: GitHub, provider: str
    ) -> None:
        google.account = github.account = "nobody"
        back = await leave(client, provider)
        assert back["error"] == "access_denied"

        response = await client.get(f"oauth/{provider}/callback", params=back)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.declined"

    @pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "invalid_scope"])
    async def test_a_failure_is_not_the_callers(self, client: AsyncClient, error: str) -> None:
        back = without(await leave(client, "google"), "code")

        response = await client.get("oauth/google/callback", params=back | {"error": error})

        assert response.status_code == 503
        assert response.json()["type"] == "urn:problem:oauth.provider_unavailable"
        assert response.headers["retry-after"] == "5"

    async def test_neither_code_nor_error_is_no_login(self, client: AsyncClient) -> None:
        back = without(await leave(client, "google"), "code")

        response = await client.get("oauth/google/callback", params=back)

        assert response.status_code == 403

    async def test_takes_the_right_state_too(self, client: AsyncClient) -> None:
        response = await client.get(
            "oauth/google/callback", params={"state": "x", "error": "access_denied"}
        )

        assert response.json()["type"] == "urn:problem:oauth.not_begun"

    @pytest.mark.parametrize("provider", ["google", "github"])
    async def test_another_issuer_is_refused(self, client: AsyncClient, provider: str) -> None:
        back = await leave(client, provider)

        response = await client.get(f"oauth/{provider}/callback", params=back | {"iss": EVIL})

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.identity_refused"

    async def test_its_own_issuer_is_accepted(self, client: AsyncClient, github: GitHub) -> None:
        back = await leave(client, "github")

        response = await client.get(
            "oauth/github/callback", params=back | {"iss": f"{github.url}/login/oauth"}
        )

        assert response.status_code == 200


class TestGuessing:
    async def test_counts_against_the_address(
        self, app: FastAPI, state: dict[str, Any], github: GitHub
    ) -> None:
        strict = state["auth_settings"].model_copy(update={"failures_per_address": 1})
        async with client_of(app, state | {"auth_settings": strict}) as client:
            good = [await leave(client, "github")]
            answers = [await client.get("oauth/github/callback", params=good[0])]
            github.fault = "error /user"
            failed = await leave(client, "github")
            answers.append(await client.get("oauth/github/callback", params=failed))
            guess = {"state": "x", "code": "y"}
            answers += [await client.get("oauth/github/callback", params=guess) for _ in range(2)]

        assert [it.status_code for it in answers] == [200, 503, 403, 429]

    async def test_is_in_the_log_without_what_was_sent(self, client: AsyncClient) -> None:
        with capture_logs() as logs:
            await client.get("oauth/github/callback", params={"state": "SENT-A", "code": "SENT-B"})

        events = [it for it in logs if it["event"] == "security event"]
        assert [(it["name"], it["reason"], it["log_level"]) for it in events] == [
            ("oauth_login_refused", "oauth.not_begun", "warning")
        ]
        assert "SENT" not in str(logs)


class TestNext:
    @pytest.mark.parametrize(
        "path",
        [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/\\/evil.example",
            "\\\\evil.example",
            "https:evil.example",
            "https://evil.example",
            "HTTPS://evil.example",
            "javascript:alert(1)",
            "evil.example",
            "@evil.example",
            "/@evil.example",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "%2f%2fevil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " //evil.example",
            "/ /evil.example",
            "/\x00/evil.example",
            "/a//evil.example",
            "/a\r\nSet-Cookie: a=b",
            "/\u2028/evil.example",
            "／／evil.example",  # noqa: RUF001 (looks like a slash)
            "",
            "/" + "a" * 500,
        ],
    )
    @pytest.mark.parametrize("begin", ["authorize", "link"])
    async def test_leads_nowhere_else(
        self, user_client: AsyncClient, path: str, begin: str
    ) -> None:
        method = "GET" if begin == "authorize" else "POST"

        response = await user_client.request(method, f"oauth/google/{begin}", params={"next": path})

        assert response.status_code == 422

    @pytest.mark.parametrize(
        "path", ["/", "/a", "/a/b/", "/a.html?q=1&r=a%20b", "/~ada#top", "/a?b=c:d#e"]
    )
    async def test_may_be_a_path_of_this_host(self, client: AsyncClient, path: str) -> None:
        response = await client.get("oauth/google/authorize", params={"next": path})

        assert response.status_code == 303


class Biscuit(BaseModel):
    crumbs: int


class BiscuitGrant(Grant):
    """In a cookie, like a login for browsers."""

    name: ClassVar[str] = "biscuit"
    schema = Biscuit

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,
    ) -> BaseModel:
        response.set_cookie("biscuit", str(login_session.id))
        return Biscuit(crumbs=1)


class CakeGrant(BiscuitGrant):
    """In the body, like an access token."""

    name: ClassVar[str] = "cake"

    async def issue(
        self,
        connection: HTTPConnection,  # noqa: ARG002
        response: Response,  # noqa: ARG002
        session: AsyncSession,  # noqa: ARG002
        login_session: LoginSession,  # noqa: ARG002
    ) -> BaseModel:
        return Biscuit(crumbs=2)


class PasswordWordError(ForbiddenError):
    code = "test.password_word"
    title = "Say the word"


class WordStep(LoginStep):
    async def check(self, session: AsyncSession, login: Login) -> None:  # noqa: ARG002
        if login.methods == frozenset({"fed"}) and login.grant == "token":
            raise PasswordWordError("Say it.", hint="swordfish")


class TestForms:
    @pytest.fixture
    async def baker(self, settings: Settings, state: dict[str, Any]) -> AsyncGenerator[AsyncClient]:
        offered = (BiscuitGrant(), CakeGrant(), WordStep())
        features = [*enabled_features(settings), Feature(name="baker", extensions=offered)]
        extended = state | {"extensions": extensions_of(features)}
        async with client_of(create_app(settings, features), extended) as client:
            yield client

    async def test_a_login_in_cookies_goes_on(
        self, baker: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave(baker, "github", grant="biscuit", next="/kitchen?a=b")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 303
        assert response.headers["location"] == "/kitchen?a=b"
        assert response.content == b""
        kind = await session.scalar(select(LoginSession.kind))
        assert kind == "biscuit"
        assert list(baker.cookies) == ["biscuit"]

    async def test_goes_to_the_root_without_a_wish(self, baker: AsyncClient) -> None:
        back = await leave(baker, "github", grant="biscuit")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.headers["location"] == "/"

    async def test_any_other_is_in_the_answer(self, baker: AsyncClient) -> None:
        back = await leave(baker, "github", grant="cake")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 200
        assert response.json() == {"crumbs": 2}
        assert list(baker.cookies) == []

    async def test_a_further_step_reaches_the_client(
        self, baker: AsyncClient, session: AsyncSession
    ) -> None:
        back = await leave(baker, "github")

        response = await baker.get("oauth/github/callback", params=back)

        assert response.status_code == 403
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:problem:test.password_word"
        assert response.json()["hint"] == "swordfish"
        assert await session.scalar(select(LoginSession.id)) is None

    async def test_are_described(self, baker: AsyncClient) -> None:
        document = (await baker.get("http://test/openapi.json")).json()

        operation = document["paths"]["/api/v1/oauth/{provider}/authorize"]["get"]
        grant = next(it for it in operation["parameters"] if it["name"] == "grant")
        assert grant["schema"]["enum"][0] == "token"
        assert grant["schema"]["enum"][-2:] == ["biscuit", "cake"]
        responses = document["paths"]["/api/v1/oauth/{provider}/callback"]["get"]["responses"]
        body = responses["200"]["content"]["application/json"]["schema"]
        names = [it["$ref"].rpartition("/")[2] for it in body["anyOf"]]
        assert (names[0], names[-2:]) == ("TokenRead", ["Biscuit", "LinkedAccountRead"])


async def test_what_the_provider_adds_is_ignored(client: AsyncClient) -> None:
    back = await leave(client, "google")

    response = await client.get(
        "oauth/google/callback", params=back | {"session_state": "x", "prompt": "none"}
    )

    assert response.status_code == 200
