from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from time import time
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from .errors import InvalidTokenError
from .keys import Keyring
from .settings import AuthSettings

_REQUIRED = ["sub", "sid", "jti", "iss", "aud", "iat", "nbf", "exp", "type"]
_TYPE = "access"
# Clocks of two machines differ; ten seconds cover what NTP leaves.
_LEEWAY_SECONDS = 10
# Tokens in use at the same time; each takes about a kilobyte.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class IssuedToken:
    token: str
    expires_in_seconds: int


class AccessClaims(NamedTuple):
    user_id: UUID
    session_id: UUID
    scopes: frozenset[str] | None
    """What the token is limited to; absent for a full login."""
    expires_at: int


class _Key(NamedTuple):
    id: str
    signing: Any
    verifying: Any


class AccessTokens:
    """Issues and reads the signed tokens that tell who is calling.

    Each names its key, so that tokens of a former `SECRET_KEY` count until they run out.
    """

    def __init__(self, keyring: Keyring, settings: AuthSettings) -> None:
        self._algorithm = settings.algorithm
        keys = [self._key(secret) for secret in keyring.derive(f"access token {self._algorithm}")]
        self._signing = keys[0]
        self._keys = {key.id: key for key in keys}
        self._issuer = settings.issuer
        self._ttl_seconds = settings.access_token_ttl_seconds
        # A client sends the same token again and again, and checking a signature costs as much as
        # a query. What can change afterwards, only the time, is checked on every use.
        self._verified = lru_cache(maxsize=_REMEMBERED)(self._verify)

    def issue(
        self, user_id: UUID, session_id: UUID, scopes: Collection[str] | None = None
    ) -> IssuedToken:
        now = datetime.now(UTC)
        claims = {
            "sub": str(user_id),
            "sid": str(session_id),
            "jti": uuid4().hex,
            "iss": self._issuer,
            "aud": self._issuer,
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=self._ttl_seconds),
            "type": _TYPE,
        }
        if scopes is not None:
            claims["scope"] = " ".join(sorted(scopes))
        headers = {"kid": self._signing.id}
        token = jwt.encode(
            claims, self._signing.signing, algorithm=self._algorithm, headers=headers
        )
        return IssuedToken(token, self._ttl_seconds)

    def read(self, token: str) -> AccessClaims:
        """Raises `InvalidTokenError`."""
        claims = self._verified(token)
        if time() >= claims.expires_at + _LEEWAY_SECONDS:
            raise InvalidTokenError
        return claims

    def public_keys(self) -> list[dict[str, Any]]:
        """What others need to check the tokens, as JSON Web Keys; none if they are secret."""
        if self._algorithm != "EdDSA":
            return []
        return [
            {
                **OKPAlgorithm.to_jwk(key.verifying, as_dict=True),
                "kid": key.id,
                "alg": self._algorithm,
                "use": "sig",
            }
            for key in self._keys.values()
        ]

    def _key(self, secret: bytes) -> _Key:
        if self._algorithm == "HS256":
            return _Key(sha256(secret).hexdigest()[:16], secret, secret)
        private = Ed25519PrivateKey.from_private_bytes(secret)
        public = private.public_key()
        return _Key(sha256(public.public_bytes_raw()).hexdigest()[:16], private, public)

    def _verify(self, token: str) -> AccessClaims:
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key.verifying,
                algorithms=[self._algorithm],
                audience=self._issuer,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
            if claims["type"] != _TYPE:
                raise InvalidTokenError
            scope = claims.get("scope")
            return AccessClaims(
                UUID(claims["sub"]),
                UUID(claims["sid"]),
                None if scope is None else frozenset(scope.split()),
                claims["exp"],
            )
        except (jwt.PyJWTError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise InvalidTokenError from exc
