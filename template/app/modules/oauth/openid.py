from collections.abc import Callable
from time import monotonic
from typing import Any, ClassVar

import jwt
from httpx2 import URL, InvalidURL
from pydantic import BaseModel, ValidationError

from .asking import Asking
from .errors import IdentityRefusedError
from .providers import Attempt, Client, Identity, Provider, identity
from .remembered import Remembered

# Public keys only: with an HMAC among them a provider's public key would pass for a secret.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
# Clocks of two organizations differ by more than those of two machines of one.
_LEEWAY_SECONDS = 60
# Providers announce new addresses and keys days ahead and keep old ones as long.
_REMEMBERED_SECONDS = 3600
# A key that we do not know may be a new one; not so often that strangers make us ask all the time.
_REFRESH_SECONDS = 60


class _Metadata(BaseModel):
    """What we need of OpenID Connect Discovery section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False

    @property
    def takes_basic_only(self) -> bool:
        return "client_secret_post" not in self.token_endpoint_auth_methods_supported

    @property
    def endpoints(self) -> list[str]:
        urls = (self.authorization_endpoint, self.token_endpoint, self.jwks_uri)
        return [*urls, *([self.userinfo_endpoint] if self.userinfo_endpoint else [])]


class OpenIDProvider(Provider):
    """Any provider that can be discovered; its addresses and keys are remembered for a while."""

    scope: ClassVar[str] = "openid email profile"

    def __init__(
        self,
        client: Client,
        asking: Asking,
        *,
        issuer: str,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(client, asking)
        self.issuer = issuer
        self._metadata = Remembered(self._read_metadata, clock)
        self._keys = Remembered(self._read_keys, clock)

    async def authorization_url(self, attempt: Attempt) -> str:
        metadata = await self._discover()
        return self._location(metadata.authorization_endpoint, attempt, nonce=attempt.nonce)

    async def check_issuer(self, issuer: str | None) -> None:
        metadata = await self._discover()
        is_missing = issuer is None and metadata.authorization_response_iss_parameter_supported
        if is_missing or issuer not in {None, self.issuer}:
            raise IdentityRefusedError("issuer")

    async def identify(self, code: str, attempt: Attempt) -> Identity:
        metadata = await self._discover()
        tokens = await self._exchange(
            metadata.token_endpoint, code, attempt, is_basic=metadata.takes_basic_only
        )
        claims = await self._claims(tokens.get("id_token"), attempt)
        profile = claims
        # Both or neither: an address and who vouches for it must come from one place.
        if not {"email", "email_verified"} <= claims.keys() and metadata.userinfo_endpoint:
            token = str(tokens["access_token"])
            profile = await self.asking.get(metadata.userinfo_endpoint, token=token)
            if not isinstance(profile, dict) or profile.get("sub") != claims["sub"]:
                raise IdentityRefusedError("userinfo")
        # Some send a text. Nothing else that Python takes for true counts.
        is_verified = profile.get("email_verified")
        email = profile.get("email") if is_verified is True or is_verified == "true" else None
        return identity(claims["sub"], profile.get("name") or claims.get("name"), email)

    async def _claims(self, token: object, attempt: Attempt) -> dict[str, Any]:
        """Of an ID token that is meant for us and for this login (OpenID Connect Core 3.1.3.7)."""
        if not isinstance(token, str):
            raise IdentityRefusedError("no ID token")
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self.client.id,
                issuer=self.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            raise IdentityRefusedError(type(exc).__name__) from None
        if claims["nonce"] != attempt.nonce:
            raise IdentityRefusedError("nonce")
        # One that is meant for others too has to name us as the one who asked.
        is_shared = claims["aud"] not in (self.client.id, [self.client.id])
        if claims.get("azp", None if is_shared else self.client.id) != self.client.id:
            raise IdentityRefusedError("azp")
        return claims

    async def _discover(self) -> _Metadata:
        return await self._metadata.get(at_most_seconds_old=_REMEMBERED_SECONDS)

    async def _read_metadata(self) -> _Metadata:
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            metadata = _Metadata.model_validate(await self.asking.get(url))
        except ValidationError:
            raise self.asking.failed(url, "another shape") from None
        if metadata.issuer != self.issuer:
            raise self.asking.failed(url, "another issuer")
        if not all(self._is_as_safe(endpoint) for endpoint in metadata.endpoints):
            raise self.asking.failed(url, "an endpoint that is not https")
        return metadata

    def _is_as_safe(self, endpoint: str) -> bool:
        """No token is sent in the clear to a provider that is known by an https address."""
        try:
            return URL(endpoint).scheme in {"https", URL(self.issuer).scheme}
        except InvalidURL:
            return False

    async def _key(self, key_id: object) -> jwt.PyJWK:
        """Only keys that the provider publishes: what a token brings along does not count."""
        for seconds in (_REMEMBERED_SECONDS, _REFRESH_SECONDS):
            keys = await self._keys.get(at_most_seconds_old=seconds)
            if found := _matching(keys, key_id):
                return found
        raise IdentityRefusedError("key")

    async def _read_keys(self) -> list[jwt.PyJWK]:
        url = (await self._discover()).jwks_uri
        try:
            keys = jwt.PyJWKSet.from_dict(await self.asking.get(url)).keys
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
            raise self.asking.failed(url, "another shape") from None
        return [key for key in keys if key.public_key_use in {None, "sig"}]


def _matching(keys: list[jwt.PyJWK], key_id: object) -> jwt.PyJWK | None:
    """The key with this id; without an id the only one."""
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == key_id), None)
