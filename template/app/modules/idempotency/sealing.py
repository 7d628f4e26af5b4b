"""Answers as they are kept: encrypted, because some show a secret that is shown once."""

import json
from dataclasses import dataclass
from secrets import token_bytes
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# NIST SP 800-38D: what a random nonce has, and enough for 2^32 encryptions with a key.
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class KeptResponse:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Seal:
    """AES-256-GCM: what is kept can be neither read nor changed, nor given as another's answer."""

    def __init__(self, keys: list[bytes]) -> None:
        """The first key encrypts; each of them decrypts."""
        self._ciphers = [AESGCM(key) for key in keys]

    def close(self, response: KeptResponse, record_id: UUID) -> bytes:
        head = json.dumps([response.status, response.headers]).encode()
        nonce = token_bytes(_NONCE_BYTES)
        text = head + b"\n" + response.body
        return nonce + self._ciphers[0].encrypt(nonce, text, record_id.bytes)

    def open(self, sealed: bytes, record_id: UUID) -> KeptResponse | None:
        """Nothing if its key is gone."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            try:
                head, _, body = cipher.decrypt(nonce, text, record_id.bytes).partition(b"\n")
            except InvalidTag:
                continue
            status, headers = json.loads(head)
            return KeptResponse(status, tuple((name, value) for name, value in headers), body)
        return None
