"""Standard Webhooks 1.0.0, symmetric signatures: https://www.standardwebhooks.com."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from secrets import token_bytes
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PREFIX = "whsec_"
# The specification asks for 24 to 64; as many as the hash has.
_SECRET_BYTES = 32
# NIST SP 800-38D: what a random nonce has, and enough for 2^32 encryptions with a key.
_NONCE_BYTES = 12


def new_secret() -> str:
    return _PREFIX + b64encode(token_bytes(_SECRET_BYTES)).decode()


def signed_headers(
    secrets: Iterable[str], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """One signature for each secret: while one replaces the other, either will do."""
    content = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = b64decode(secret.removeprefix(_PREFIX))
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()


class Opened(NamedTuple):
    secret: str
    is_current: bool
    """Whether the key in use has sealed it; else it is to be sealed again."""


class SecretBox:
    """AES-256-GCM: what is stored can be neither read nor changed, nor given to another endpoint.

    Signing takes the secret itself, so a hash of it would not do.
    """

    def __init__(self, keys: list[bytes]) -> None:
        """The first key seals; each of them opens."""
        self._ciphers = [AESGCM(key) for key in keys]

    def seal(self, secret: str, endpoint_id: UUID) -> bytes:
        nonce = token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, secret.encode(), endpoint_id.bytes)

    def open(self, sealed: bytes, endpoint_id: UUID) -> Opened | None:
        """Nothing if its key is gone."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for number, cipher in enumerate(self._ciphers):
            try:
                secret = cipher.decrypt(nonce, text, endpoint_id.bytes)
            except InvalidTag:
                continue
            return Opened(secret.decode(), number == 0)
        return None
