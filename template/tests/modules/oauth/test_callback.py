"""What somebody may try with the way back from a provider."""

from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from structlog.testing import capture_logs

from tests.fixtures.oauth import leave, without
from tests.modules.oauth.parties import EVIL, GitHub, Google
from tests.support import client_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("google", "github")]


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


async def test_what_the_provider_adds_is_ignored(client: AsyncClient) -> None:
    back = await leave(client, "google")

    response = await client.get(
        "oauth/google/callback", params=back | {"session_state": "x", "prompt": "none"}
    )

    assert response.status_code == 200
