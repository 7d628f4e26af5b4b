import secrets
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from app.core.settings import SettingsGroup

# RFC 7518 section 3.2: a key for HS256 has at least the size of the hash.
_SHORTEST_KEY_BYTES = 32


def _long_enough(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < _SHORTEST_KEY_BYTES:
        raise ValueError(f"must have at least {_SHORTEST_KEY_BYTES} bytes; {_HOW_TO_MAKE_ONE}")
    return key


_HOW_TO_MAKE_ONE = 'make one with: python -c "import secrets; print(secrets.token_urlsafe(48))"'


class SecretSettings(SettingsGroup):
    """Read from `SECRET_*`."""

    key: Annotated[SecretStr, AfterValidator(_long_enough)] = Field(
        default_factory=lambda: SecretStr(secrets.token_urlsafe(48))
    )
    """Signs access tokens. Unset, each process makes one of its own: logins then end with it."""

    def refusals(self) -> list[str]:
        if "key" not in self.model_fields_set:
            return [f"SECRET_KEY must be set; {_HOW_TO_MAKE_ONE}"]
        return []


class AuthSettings(SettingsGroup):
    """Read from `AUTH_*`."""

    access_token_ttl_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """Half an hour: an access token cannot be taken back, it can only run out."""
    issuer: Annotated[str, Field(min_length=1)] = "app"
    """The `iss` and `aud` of access tokens: services that share SECRET_KEY need different ones."""
