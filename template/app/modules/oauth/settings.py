from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.settings import SettingsGroup

PROVIDER_PLACE = "{provider}"


def _is_base(value: str) -> str:
    """As it is written, a slash at the end included: issuers are compared exactly."""
    url = urlsplit(value)
    is_base = url.scheme in {"http", "https"} and url.hostname and url.username is None
    if not is_base or url.query or url.fragment or not value.isprintable() or " " in value:
        raise ValueError("must be an address such as https://login.example.com")
    return value


def _names_provider(value: str) -> str:
    # A page for each provider, so that no answer of one can pass for another's (RFC 9700 4.4.2).
    if PROVIDER_PLACE not in urlsplit(value).path:
        raise ValueError(f"must have {PROVIDER_PLACE} in its path, where the provider's name goes")
    return value


_Base = Annotated[str, AfterValidator(_is_base)]
_Id = Annotated[str, Field(min_length=1)]
_Secret = Annotated[SecretStr, Field(min_length=1)]


class OAuthSettings(SettingsGroup):
    """Read from `OAUTH_*`. A provider is on when its credentials are set."""

    google_client_id: _Id | None = None
    google_client_secret: _Secret | None = None
    google_issuer: _Base = "https://accounts.google.com"
    github_client_id: _Id | None = None
    github_client_secret: _Secret | None = None
    github_url: _Base = "https://github.com"
    """Where people log in: of GitHub Enterprise the server's address."""
    github_api_url: _Base = "https://api.github.com"
    """Of GitHub Enterprise `https://<server>/api/v3`."""
    openid_issuer: _Base | None = None
    """Any provider that publishes `/.well-known/openid-configuration` below this address."""
    openid_client_id: _Id | None = None
    openid_client_secret: _Secret | None = None
    openid_name: Annotated[str, Field(min_length=1, max_length=60)] = "OpenID"
    """What login pages call it."""
    redirect_url: Annotated[_Base, AfterValidator(_names_provider)] | None = None
    """Where providers send the browser back to, as it is registered with them: our own callback, or
    a page of the frontend that passes the query on to it. Unset: the callback by the address that
    the request came to."""
    login_ttl_seconds: Annotated[int, Field(ge=60, le=3600)] = 600
    """From leaving to coming back: time for a password, a second device and a consent page."""
    starts_per_address: Annotated[int, Field(ge=1)] = 300
    """Logins begun from one network address in `login_ttl_seconds`: each stores a row for as long.
    Not fewer: an office or a campus has one address."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 5
    """For each answer of a provider; a login waits for two to four of them."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        groups = {
            "Google": ("google_client_id", "google_client_secret"),
            "GitHub": ("github_client_id", "github_client_secret"),
            "The OpenID provider": ("openid_issuer", "openid_client_id", "openid_client_secret"),
        }
        problems = []
        for title, fields in groups.items():
            missing = [name for name in fields if getattr(self, name) is None]
            if missing and len(missing) < len(fields):
                names = " and ".join(_variable(name) for name in missing)
                problems.append(f"{title} is half configured: set {names} as well.")
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def is_in_use(self) -> bool:
        ids = (self.google_client_id, self.github_client_id, self.openid_client_id)
        return any(item is not None for item in ids)

    def refusals(self) -> list[str]:
        refused = []
        if self.is_in_use and self.redirect_url is None:
            refused.append(
                "OAUTH_REDIRECT_URL must be the address that is registered with the providers, for "
                f"example https://api.example.com/api/v1/oauth/{PROVIDER_PLACE}/callback."
            )
        urls = ("google_issuer", "github_url", "github_api_url", "openid_issuer", "redirect_url")
        for name in urls:
            value = getattr(self, name)
            if value is not None and not value.startswith("https://"):
                refused.append(f"{_variable(name)} must be an https:// address.")
        return refused


def _variable(field: str) -> str:
    return f"OAUTH_{field}".upper()
