"""ID tokens, keys and addresses of OpenID providers, and how they may be wrong."""

from asyncio import gather
from collections.abc import AsyncGenerator
from time import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import SecretStr
from structlog.testing import capture_logs

from app.modules.oauth.asking import Asking
from app.modules.oauth.errors import IdentityRefusedError, ProviderUnavailableError
from app.modules.oauth.openid import OpenIDProvider
from app.modules.oauth.providers import Attempt, Client
from tests.fixtures.oauth import leave, visit
from tests.modules.oauth.parties import CLIENT_ID, CLIENT_SECRET, EVIL, Google, public_key
from tests.support import client_of

pytestmark = pytest.mark.anyio

CALLBACK = "http://test/callback"
TOKEN, CERTS, USERINFO = "/token", "/oauth2/v3/certs", "/v1/userinfo"
DISCOVERY = "/.well-known/openid-configuration"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
async def asking() -> AsyncGenerator[Asking]:
    asking = Asking(timeout_seconds=5)
    yield asking
    await asking.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider(google: Google, asking: Asking, clock: Clock) -> OpenIDProvider:
    """One that nobody has asked anything yet."""
    client = Client(name="x", title="X", id=CLIENT_ID, secret=SecretStr(CLIENT_SECRET))
    return OpenIDProvider(client, asking, issuer=google.url, clock=clock)


async def log_in(provider: OpenIDProvider) -> Any:  # noqa: ANN401
    attempt = Attempt(CALLBACK, state="state", secret="secret")
    back = await visit(await provider.authorization_url(attempt))
    await provider.check_issuer(back.get("iss"))
    return await provider.identify(back["code"], attempt)


class TestIdToken:
    async def test_tells_who_somebody_is(self, provider: OpenIDProvider, google: Google) -> None:
        identity = await log_in(provider)

        assert identity.subject == "100000000000000001815"
        assert identity.name == "Ada Lovelace"
        assert identity.email == "ada@example.com"
        assert USERINFO not in google.requests

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            ({"nonce": "wrong"}, "nonce"),
            ({"nonce": None}, "MissingRequiredClaimError"),
            ({"nonce": "\ud800"}, "nonce"),
            ({"aud": "somebody-else"}, "InvalidAudienceError"),
            ({"aud": [CLIENT_ID, "other"], "azp": "other"}, "azp"),
            ({"aud": [CLIENT_ID, "other"], "azp": None}, "azp"),
            ({"azp": "somebody-else"}, "azp"),
            ({"iss": EVIL}, "InvalidIssuerError"),
            ({"iss": None}, "MissingRequiredClaimError"),
            ({"exp": int(time()) - 3600}, "ExpiredSignatureError"),
            ({"exp": None}, "MissingRequiredClaimError"),
            ({"iat": int(time()) + 3600, "exp": int(time()) + 7200}, "ImmatureSignatureError"),
            ({"nbf": int(time()) + 3600}, "ImmatureSignatureError"),
            ({"sub": None}, "MissingRequiredClaimError"),
            ({"sub": ""}, "subject"),
            ({"sub": "x" * 256}, "subject"),
            ({"sub": "a\nb"}, "subject"),
        ],
    )
    async def test_that_is_not_for_this_login_is_refused(
        self, provider: OpenIDProvider, google: Google, changes: dict[str, Any], cause: str
    ) -> None:
        google.changes = changes

        with pytest.raises(IdentityRefusedError) as caught:
            await log_in(provider)

        assert caught.value.cause == cause

    @pytest.mark.parametrize(
        ("fault", "cause"),
        [
            ("other_key", "InvalidSignatureError"),
            ("own_key", "InvalidSignatureError"),
            ("unknown_kid", "key"),
            ("alg_none", "InvalidAlgorithmError"),
            ("alg_hs256", "InvalidAlgorithmError"),
            ("no_id_token", "no ID token"),
            ("issuer", "issuer"),
        ],
    )
    async def test_that_the_provider_did_not_sign_is_refused(
        self, provider: OpenIDProvider, google: Google, fault: str, cause: str
    ) -> None:
        google.fault = fault

        with pytest.raises(IdentityRefusedError) as caught:
            await log_in(provider)

        assert caught.value.cause == cause

    async def test_is_refused_at_the_edge(self, client: AsyncClient, google: Google) -> None:
        google.changes = {"nonce": "wrong"}
        back = await leave(client, "google")

        with capture_logs() as logs:
            response = await client.get("oauth/google/callback", params=back)

        assert response.status_code == 403
        assert response.json()["type"] == "urn:problem:oauth.identity_refused"
        refusals = [it["reason"] for it in logs if it["event"] == "security event"]
        assert refusals == ["nonce"]

    async def test_may_be_for_others_too_if_we_asked(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.changes = {"aud": [CLIENT_ID, "other"]}

        assert (await log_in(provider)).subject == "100000000000000001815"


class TestUserinfo:
    async def test_is_asked_for_what_the_token_does_not_tell(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.changes = {"email": None, "name": None}

        identity = await log_in(provider)

        assert (identity.email, identity.name) == ("ada@example.com", "Ada Lovelace")

    async def test_of_somebody_else_is_refused(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.changes = {"email": None}
        google.bodies = {USERINFO: {"sub": "666", "email": "x@y.example", "email_verified": True}}

        with pytest.raises(IdentityRefusedError):
            await log_in(provider)

    @pytest.mark.parametrize(
        "missing", [{"email_verified": None, "email": "victim@example.com"}, {"email": None}]
    )
    async def test_vouches_for_its_own_address_alone(
        self, provider: OpenIDProvider, google: Google, missing: dict[str, Any]
    ) -> None:
        google.changes = missing

        assert (await log_in(provider)).email == "ada@example.com"

    async def test_need_not_exist(self, provider: OpenIDProvider, google: Google) -> None:
        google.changes = {"email": None}
        google.discovered = {"userinfo_endpoint": None}

        assert (await log_in(provider)).email is None


class TestClient:
    async def test_is_named_in_the_header_where_the_form_is_not_taken(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.discovered = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}

        assert (await log_in(provider)).subject == "100000000000000001815"

    async def test_that_is_refused_is_not_the_callers_fault(
        self, google: Google, asking: Asking
    ) -> None:
        client = Client(name="x", title="X", id=CLIENT_ID, secret=SecretStr("wrong"))
        provider = OpenIDProvider(client, asking, issuer=google.url)

        with capture_logs() as logs, pytest.raises(ProviderUnavailableError):
            await log_in(provider)

        assert logs[0]["reason"] == "status 401 without a token"


class TestDiscovery:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"issuer": EVIL},
            {"issuer": None},
            {"jwks_uri": 1},
            {"token_endpoint": "ftp://127.0.0.1/token"},
            {"authorization_endpoint": "http://a:b/"},
        ],
    )
    async def test_of_somebody_else_is_refused(
        self, provider: OpenIDProvider, google: Google, wrong: dict[str, Any]
    ) -> None:
        google.discovered = wrong

        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)

    async def test_is_remembered_for_an_hour(
        self, provider: OpenIDProvider, google: Google, clock: Clock
    ) -> None:
        await gather(*(log_in(provider) for _ in range(3)))
        clock.now = 3599
        await log_in(provider)
        assert [google.requests.count(path) for path in (DISCOVERY, CERTS)] == [1, 1]

        clock.now = 3600
        await log_in(provider)
        assert [google.requests.count(path) for path in (DISCOVERY, CERTS)] == [2, 2]

    async def test_that_failed_is_asked_for_again(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.fault = f"error {DISCOVERY}"
        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)
        google.fault = ""

        assert (await log_in(provider)).name == "Ada Lovelace"

    async def test_may_promise_an_issuer_which_is_then_needed(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.discovered = {"authorization_response_iss_parameter_supported": True}

        await provider.check_issuer(google.url)
        with pytest.raises(IdentityRefusedError):
            await provider.check_issuer(None)

    async def test_without_a_promise_it_may_be_missing(self, provider: OpenIDProvider) -> None:
        await provider.check_issuer(None)


class TestKeys:
    async def test_a_new_one_is_looked_for_once_in_a_minute(
        self, provider: OpenIDProvider, google: Google, clock: Clock
    ) -> None:
        before = google.key
        await log_in(provider)
        try:
            google.key = google.other
            clock.now = 59
            with pytest.raises(IdentityRefusedError):
                await log_in(provider)
            clock.now = 60
            assert (await log_in(provider)).name == "Ada Lovelace"
        finally:
            google.key = before
        assert google.requests.count(CERTS) == 2

    async def test_need_no_name_if_there_is_one(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        nameless = public_key(google.key)
        del nameless["kid"]
        google.bodies = {CERTS: {"keys": [nameless]}}
        google.fault = "no_kid"

        assert (await log_in(provider)).name == "Ada Lovelace"

    async def test_need_names_if_there_are_several(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.bodies = {CERTS: {"keys": [public_key(google.key), public_key(google.other)]}}
        google.fault = "no_kid"

        with pytest.raises(IdentityRefusedError):
            await log_in(provider)

    async def test_for_encryption_sign_nothing(
        self, provider: OpenIDProvider, google: Google
    ) -> None:
        google.bodies = {CERTS: {"keys": [public_key(google.key) | {"use": "enc"}]}}

        with pytest.raises(IdentityRefusedError):
            await log_in(provider)

    @pytest.mark.parametrize("body", [[], {}, {"keys": 1}, {"keys": []}, {"keys": [{}]}, "x"])
    async def test_of_another_shape_are_no_keys(
        self, provider: OpenIDProvider, google: Google, body: object
    ) -> None:
        google.bodies = {CERTS: body}

        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)

    async def test_cannot_be_secrets(self, provider: OpenIDProvider, google: Google) -> None:
        secret = {"kty": "oct", "k": "AAAA", "kid": public_key(google.key)["kid"]}
        google.bodies = {CERTS: {"keys": [secret]}}

        with pytest.raises((IdentityRefusedError, ProviderUnavailableError)):
            await log_in(provider)


class TestUnreachable:
    @pytest.mark.parametrize("kind", ["error", "html", "redirect", "large"])
    @pytest.mark.parametrize("where", [TOKEN, CERTS, USERINFO, DISCOVERY])
    async def test_is_not_the_callers_fault(
        self, provider: OpenIDProvider, google: Google, kind: str, where: str
    ) -> None:
        google.changes = {"email": None}
        google.fault = f"{kind} {where}"

        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)

    @pytest.mark.parametrize("body", [[], "x", None, {}, {"access_token": 1}, {"error": [1]}])
    async def test_nor_are_tokens_of_another_shape(
        self, provider: OpenIDProvider, google: Google, body: object
    ) -> None:
        google.bodies = {TOKEN: body}

        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)

    async def test_does_not_keep_anybody_waiting(self, google: Google) -> None:
        asking = Asking(timeout_seconds=0.1)
        google.fault = f"hang {TOKEN}"

        with capture_logs() as logs, pytest.raises(ProviderUnavailableError):
            await asking.post(f"{google.url}{TOKEN}", {})

        await asking.aclose()
        assert "Timeout" in logs[0]["reason"]

    async def test_says_so_at_the_edge(
        self, app: FastAPI, state: dict[str, Any], google: Google, provider: OpenIDProvider
    ) -> None:
        google.fault = f"error {DISCOVERY}"
        async with client_of(app, state | {"oauth_providers": lambda: {"x": provider}}) as client:
            response = await client.get("oauth/x/authorize")

        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert "set-cookie" not in response.headers

    async def test_nobody_there(self, asking: Asking) -> None:
        client = Client(name="x", title="X", id="x", secret=SecretStr("x"))
        provider = OpenIDProvider(client, asking, issuer="http://127.0.0.1:1")

        with pytest.raises(ProviderUnavailableError):
            await log_in(provider)


def test_keys_of_the_tests_differ(google: Google) -> None:
    assert isinstance(google.key, rsa.RSAPrivateKey)
    assert public_key(google.key) != public_key(google.other)
