import pytest
from pydantic import ValidationError

from app.modules.oauth.settings import OAuthSettings

X = "example https://api.example.com/api/v1/oauth/{provider}/callback."
REDIRECT = "https://api.example.com/api/v1/oauth/{provider}/callback"
GITHUB = {"github_client_id": "id", "github_client_secret": "secret"}
OPENID = {
    "openid_issuer": "https://login.example.com/",
    "openid_client_id": "id",
    "openid_client_secret": "secret",
}


def settings(**values: object) -> OAuthSettings:
    return OAuthSettings.model_validate(values)


class TestCredentials:
    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            (
                {"google_client_id": "id"},
                "Google is half configured: set OAUTH_GOOGLE_CLIENT_SECRET as well.",
            ),
            (
                {"github_client_secret": "hunter2-hunter2"},
                "GitHub is half configured: set OAUTH_GITHUB_CLIENT_ID as well.",
            ),
            (
                {"openid_issuer": "https://a.example", "openid_client_id": "id"},
                "The OpenID provider is half configured: set OAUTH_OPENID_CLIENT_SECRET as well.",
            ),
            ({"openid_issuer": "https://a.example"}, "OPENID_CLIENT_ID and OAUTH_OPENID_CLIENT_S"),
        ],
    )
    def test_go_together(self, given: dict[str, str], problem: str) -> None:
        with pytest.raises(ValidationError) as caught:
            settings(**given)

        assert problem in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_are_not_needed(self) -> None:
        assert settings().is_in_use is False
        assert settings().refusals() == []

    def test_cannot_be_empty(self) -> None:
        with pytest.raises(ValidationError):
            settings(github_client_id="id", github_client_secret="")


class TestAddresses:
    @pytest.mark.parametrize(
        "value",
        [
            "login.example.com",
            "ftp://login.example.com",
            "https://",
            "https://user@login.example.com",
            "https://login.example.com?a=b",
            "https://login.example.com#a",
            "https://login.example.com/a b",
            "https://login.example.com/\n",
        ],
    )
    def test_are_whole(self, value: str) -> None:
        with pytest.raises(ValidationError):
            settings(github_url=value)

    def test_of_issuers_stay_as_they_are(self) -> None:
        assert settings(**OPENID).openid_issuer == "https://login.example.com/"

    @pytest.mark.parametrize(
        "value", ["https://api.example.com/callback", "https://{provider}.example.com/callback"]
    )
    def test_of_callbacks_have_a_place_for_the_provider(self, value: str) -> None:
        with pytest.raises(ValidationError):
            settings(redirect_url=value)


class TestRefusals:
    def test_of_a_deployment_that_trusts_the_requests_address(self) -> None:
        assert settings(**GITHUB).refusals() == [
            f"OAUTH_REDIRECT_URL must be the address that is registered with the providers, for {X}"
        ]

    def test_of_what_is_sent_in_the_clear(self) -> None:
        names = ("google_issuer", "github_url", "github_api_url", "openid_issuer")
        given = OPENID | dict.fromkeys(names, "http://x.example")

        assert settings(**given, redirect_url=REDIRECT.replace("https", "http")).refusals() == [
            f"OAUTH_{name} must be an https:// address."
            for name in (
                "GOOGLE_ISSUER",
                "GITHUB_URL",
                "GITHUB_API_URL",
                "OPENID_ISSUER",
                "REDIRECT_URL",
            )
        ]

    def test_there_are_none_otherwise(self) -> None:
        assert settings(**GITHUB, **OPENID, redirect_url=REDIRECT).refusals() == []
