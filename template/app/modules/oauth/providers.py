"""What the kinds of providers have in common."""

import hmac
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote

from httpx2 import URL
from pydantic import SecretStr

from app.modules.user.models import EMAIL_LENGTH
from app.modules.user.schemas import canonical_email

from .asking import Asking
from .errors import IdentityRefusedError, LoginDeclinedError
from .models import SUBJECT_LENGTH

# RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6: the provider's own fault, or
# ours. Any other means that the person, or the provider on their behalf, said no.
_FAILURES = frozenset(
    {
        "invalid_request",
        "invalid_scope",
        "redirect_uri_mismatch",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_response_type",
    }
)
# RFC 6749 section 5.2, and what GitHub says instead.
_CODE_REFUSED = frozenset({"invalid_grant", "bad_verification_code"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who somebody is at a provider."""

    subject: str
    name: str | None
    email: str | None
    """In its canonical form, and only if the provider vouches for it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login, as the provider sees it.

    All that must not be guessed or read off the wire comes from the browser's `secret`.
    """

    redirect_uri: str
    state: str
    secret: str

    @property
    def nonce(self) -> str:
        """Ties an ID token to this login."""
        return self._derived("nonce")

    @property
    def verifier(self) -> str:
        """Ties a code to this login (PKCE, RFC 7636)."""
        return self._derived("verifier")

    @property
    def challenge(self) -> str:
        return _base64(sha256(self.verifier.encode()).digest())

    def _derived(self, purpose: str) -> str:
        return _base64(hmac.digest(self.secret.encode(), purpose.encode(), "sha256"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What we call a provider, and who we are there."""

    name: str
    """Its place in the paths, and in the table."""
    title: str
    """For people."""
    id: str
    secret: SecretStr

    @property
    def basic(self) -> tuple[str, str]:
        """Encoded as RFC 6749 section 2.3.1 wants it; servers refuse a bare `%`."""
        return quote(self.id, safe=""), quote(self.secret.get_secret_value(), safe="")


class Provider(ABC):
    """A party that people log in with."""

    scope: ClassVar[str]

    def __init__(self, client: Client, asking: Asking) -> None:
        self.name = client.name
        self.title = client.title
        self.client = client
        self.asking = asking

    @abstractmethod
    async def authorization_url(self, attempt: Attempt) -> str:
        """Where to send the browser."""

    @abstractmethod
    async def check_issuer(self, issuer: str | None) -> None:
        """Refuse a callback that somebody else sends (RFC 9207)."""

    @abstractmethod
    async def identify(self, code: str, attempt: Attempt) -> Identity:
        """Raises `IdentityRefusedError` and `ProviderUnavailableError`."""

    def error(self, name: str) -> Exception:
        """What to raise when the provider sends the browser back with an error."""
        if name in _FAILURES:
            return self.asking.failed(self.name, f"sent {name}")
        return LoginDeclinedError()

    def _location(self, endpoint: str, attempt: Attempt, **more: str) -> str:
        params = {
            "response_type": "code",
            "client_id": self.client.id,
            "redirect_uri": attempt.redirect_uri,
            "scope": self.scope,
            "state": attempt.state,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return str(URL(endpoint).copy_merge_params(params | more))

    async def _exchange(
        self, endpoint: str, code: str, attempt: Attempt, *, is_basic: bool = False
    ) -> dict[str, Any]:
        """The tokens for a code; an access token is among them."""
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        if not is_basic:
            secret = self.client.secret.get_secret_value()
            data |= {"client_id": self.client.id, "client_secret": secret}
        auth = self.client.basic if is_basic else None
        status, body = await self.asking.post(endpoint, data, auth=auth)
        if not isinstance(body, dict):
            raise self.asking.failed(endpoint, "no object")
        # GitHub answers its refusals with 200.
        if str(body.get("error")) in _CODE_REFUSED:
            raise IdentityRefusedError("code")
        if status != 200 or not isinstance(body.get("access_token"), str):  # noqa: PLR2004
            raise self.asking.failed(endpoint, f"status {status} without a token")
        return body


def identity(subject: object, name: object, email: object) -> Identity:
    """Of what a provider sent. `email` is absent unless the provider vouches for it."""
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH:
        raise IdentityRefusedError("subject")
    if not subject.isprintable():
        raise IdentityRefusedError("subject")
    return Identity(
        subject=subject, name=name if isinstance(name, str) else None, email=_canonical(email)
    )


def _canonical(email: object) -> str | None:
    if not isinstance(email, str):
        return None
    try:
        canonical = canonical_email(email)
    except ValueError:
        return None
    return canonical if len(canonical) <= EMAIL_LENGTH else None


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
