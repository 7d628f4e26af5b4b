import secrets
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.core.settings import SettingsGroup, split_commas

# RFC 7518 section 3.2: a key for HS256 has at least the size of the hash.
_SHORTEST_KEY_BYTES = 32


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < _SHORTEST_KEY_BYTES:
        raise ValueError(f"must have at least {_SHORTEST_KEY_BYTES} bytes; {_HOW_TO_MAKE_ONE}")
    return key


_HOW_TO_MAKE_ONE = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'

_Key = Annotated[SecretStr, AfterValidator(_long_enough)]


class SecretSettings(SettingsGroup):
    """Read from `SECRET_*`."""

    key: _Key = Field(default_factory=lambda: SecretStr(secrets.token_urlsafe(48)))
    """What every key of the service is derived from; see `Keyring`.

    Unset, each process makes one of its own: logins then end with it.
    """
    previous_keys: Annotated[tuple[_Key, ...], NoDecode, BeforeValidator(split_commas)] = ()
    """Former values of `key`, newest first, whose signatures still count.

    Take one out once the longest of what it signed has run out, an access token's lifetime, and
    what it encrypted is encrypted anew.
    """

    def refusals(self) -> list[str]:
        if "key" not in self.model_fields_set:
            return [f"SECRET_KEY must be set; {_HOW_TO_MAKE_ONE}"]
        return []


class AuthSettings(SettingsGroup):
    """Read from `AUTH_*`."""

    algorithm: Literal["HS256", "EdDSA"] = "HS256"
    """EdDSA where other services check our tokens: they then need no secret, only the public key,
    which `/.well-known/jwks.json` shows."""
    issuer: Annotated[str, Field(min_length=1)] = "app"
    """The `iss` and `aud` of access tokens: services that share SECRET_KEY need different ones."""
    access_token_ttl_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """Half an hour: other services that check the token themselves do not see a logout before."""
    refresh_token_ttl_seconds: Annotated[int, Field(ge=300, le=31_536_000)] = 604_800
    """A week: who has not come back by then logs in again."""
    session_ttl_seconds: Annotated[int, Field(ge=300, le=31_536_000)] = 2_592_000
    """30 days, however active: NIST SP 800-63B section 2.1.3 sets this bound for AAL1."""
    sessions_per_user: Annotated[int, Field(ge=1, le=1000)] = 20
    """More devices than a person has; one login more ends the oldest."""
    refresh_grace_seconds: Annotated[int, Field(ge=0, le=60)] = 10
    """How long a used refresh token may come again without counting as stolen: two tabs of one
    browser refresh at the same moment."""
    recent_login_seconds: Annotated[int, Field(ge=60, le=86_400)] = 900
    """How old the proof of identity may be where a route asks for a recent one."""
    registration_enabled: bool = True
    """Whether strangers can make accounts; superusers are made by a command."""
    registrations_per_address: Annotated[int, Field(ge=1)] = 20
    """In an hour. Not fewer: an office or a campus has one address."""
    failures_per_account: Annotated[int, Field(ge=1, le=100)] = 10
    """Wrong passwords in `failure_window_seconds`, then a lock until its end. At most 100:
    NIST SP 800-63B section 3.2.2."""
    failures_per_address: Annotated[int, Field(ge=1)] = 100
    """Failed logins from one network address in the same time, whatever the accounts."""
    failure_window_seconds: Annotated[int, Field(ge=60, le=86_400)] = 900
    """A quarter of an hour makes guessing hopeless and forgives a person in one break."""
