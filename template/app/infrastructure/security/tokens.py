from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import time
from uuid import UUID, uuid4

import jwt

from .settings import AuthSettings, SecretSettings

_ALGORITHM = "HS256"
_REQUIRED = ["sub", "jti", "iss", "aud", "iat", "nbf", "exp", "type"]
_TYPE = "access"
# Clocks of two machines differ; ten seconds cover what NTP leaves.
_LEEWAY_SECONDS = 10
# Tokens in use at the same time; each takes about a kilobyte.
_REMEMBERED = 4096


class InvalidTokenError(Exception):
    """Not a token of this service, or one that has run out."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    token: str
    expires_in_seconds: int


class AccessTokens:
    """Issues and reads the signed tokens that tell who is calling."""

    def __init__(self, secret: SecretSettings, settings: AuthSettings) -> None:
        self._key = secret.key.get_secret_value()
        self._issuer = settings.issuer
        self._ttl_seconds = settings.access_token_ttl_seconds
        # A client sends the same token again and again, and checking a signature costs as much as
        # a query. What can change afterwards, only the time, is checked on every use.
        self._verified = lru_cache(maxsize=_REMEMBERED)(self._verify)

    def issue(self, user_id: UUID) -> IssuedToken:
        now = datetime.now(UTC)
        claims = {
            "sub": str(user_id),
            "jti": uuid4().hex,
            "iss": self._issuer,
            "aud": self._issuer,
            "iat": now,
            "nbf": now,
            "exp": now + timedelta(seconds=self._ttl_seconds),
            "type": _TYPE,
        }
        token = jwt.encode(claims, self._key, algorithm=_ALGORITHM)
        return IssuedToken(token, self._ttl_seconds)

    def read(self, token: str) -> UUID:
        """The user the token was issued to. Raises `InvalidTokenError`."""
        user_id, expires_at = self._verified(token)
        if time() >= expires_at + _LEEWAY_SECONDS:
            raise InvalidTokenError
        return user_id

    def _verify(self, token: str) -> tuple[UUID, int]:
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                audience=self._issuer,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED},
            )
            if claims["type"] != _TYPE:
                raise InvalidTokenError
            return UUID(claims["sub"]), claims["exp"]
        except (jwt.PyJWTError, ValueError) as exc:
            raise InvalidTokenError from exc
