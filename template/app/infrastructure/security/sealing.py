from secrets import token_bytes
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# NIST SP 800-38D: what a random nonce has, and enough for 2^32 encryptions with a key.
_NONCE_BYTES = 12


class Opened(NamedTuple):
    content: bytes
    is_current: bool
    """Whether the key in use has sealed it; else it is to be sealed again."""


class Seal:
    """AES-256-GCM: what it encrypts can be neither read nor changed, nor put elsewhere.

    `context` says where it belongs, the id of the row for example; it is not part of what is
    stored, and has to be the same when it is opened.
    """

    def __init__(self, keys: list[bytes]) -> None:
        """The first key encrypts; each of them decrypts."""
        self._ciphers = [AESGCM(key) for key in keys]

    def close(self, content: bytes, context: bytes) -> bytes:
        nonce = token_bytes(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, content, context)

    def open(self, sealed: bytes, context: bytes) -> Opened | None:
        """Nothing if its key is gone, or it is none of ours."""
        nonce, encrypted = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for number, cipher in enumerate(self._ciphers):
            try:
                content = cipher.decrypt(nonce, encrypted, context)
            # One that is too short has no nonce.
            except (InvalidTag, ValueError):
                continue
            return Opened(content, number == 0)
        return None
