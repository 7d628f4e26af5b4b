import hmac
from hashlib import sha256
from secrets import token_urlsafe

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .settings import SecretSettings

# 32 bytes, so nobody guesses one, and a plain hash of it needs no salt.
_TOKEN_BYTES = 32


class Keyring:
    """Keys for each purpose, all derived from `SECRET_KEY` (HKDF, RFC 5869).

    A key for one purpose tells nothing about that for another. The former secrets give former keys,
    so that what they signed or encrypted can still be read.
    """

    def __init__(self, settings: SecretSettings) -> None:
        secrets = (settings.key, *settings.previous_keys)
        self._secrets = [secret.get_secret_value().encode() for secret in secrets]
        # Requests ask for the same few again and again.
        self._derived: dict[str, list[bytes]] = {}

    def derive(self, purpose: str) -> list[bytes]:
        """32 bytes for each secret, the one in use first."""
        if (known := self._derived.get(purpose)) is None:
            info = purpose.encode()
            known = [
                HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)
                for secret in self._secrets
            ]
            self._derived[purpose] = known
        return known

    def digests(self, purpose: str, text: str) -> list[str]:
        """The keyed hashes (HMAC-SHA256, hex) a text may be stored under, the one in use first."""
        return [hmac.new(key, text.encode(), sha256).hexdigest() for key in self.derive(purpose)]


def new_token() -> str:
    """A random text that nobody guesses, for URLs and headers; 43 characters."""
    return token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What is stored of a token made by `new_token`; 64 characters."""
    return sha256(token.encode()).hexdigest()
