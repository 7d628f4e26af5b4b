"""Answers as they are kept: encrypted, because some show a secret that is shown once."""

import json
from dataclasses import dataclass
from uuid import UUID

from app.infrastructure.security.sealing import Seal


@dataclass(frozen=True, slots=True)
class KeptResponse:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ResponseSeal:
    """Nobody can read or change what is kept, nor have it given as another's answer."""

    def __init__(self, keys: list[bytes]) -> None:
        self._seal = Seal(keys)

    def close(self, response: KeptResponse, record_id: UUID) -> bytes:
        head = json.dumps([response.status, response.headers]).encode()
        return self._seal.close(head + b"\n" + response.body, record_id.bytes)

    def open(self, sealed: bytes, record_id: UUID) -> KeptResponse | None:
        """Nothing if its key is gone."""
        opened = self._seal.open(sealed, record_id.bytes)
        if opened is None:
            return None
        head, _, body = opened.content.partition(b"\n")
        status, headers = json.loads(head)
        return KeptResponse(status, tuple((name, value) for name, value in headers), body)
