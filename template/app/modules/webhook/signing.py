"""Standard Webhooks 1.0.0, symmetric signatures: https://www.standardwebhooks.com."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable
from secrets import token_bytes
from typing import NamedTuple
from uuid import UUID

from app.infrastructure.security.sealing import Seal

_PREFIX = "whsec_"
# The specification asks for 24 to 64; as many as the hash has.
_SECRET_BYTES = 32


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


class OpenedSecret(NamedTuple):
    secret: str
    is_current: bool
    """Whether the key in use has sealed it; else it is to be sealed again."""


class SecretBox:
    """Signing takes the secret itself, so a hash of it would not do."""

    def __init__(self, keys: list[bytes]) -> None:
        self._seal = Seal(keys)

    def seal(self, secret: str, endpoint_id: UUID) -> bytes:
        return self._seal.close(secret.encode(), endpoint_id.bytes)

    def open(self, sealed: bytes, endpoint_id: UUID) -> OpenedSecret | None:
        """Nothing if its key is gone."""
        opened = self._seal.open(sealed, endpoint_id.bytes)
        return opened and OpenedSecret(opened.content.decode(), opened.is_current)
