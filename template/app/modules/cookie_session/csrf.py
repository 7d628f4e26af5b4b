"""Whether a page of ours meant a request, and not one of another site that borrows the cookie."""

import hmac
from hashlib import sha256
from uuid import UUID

from app.infrastructure.security.keys import Keyring

CSRF_HEADER = "X-CSRF-Token"
# They change nothing: RFC 9110 section 9.2.1.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CsrfTokens:
    """One for each session: only who may read our answers can send it back.

    It is derived from the session's id, so nothing is stored, and the next login has another one.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keys = keyring.derive("csrf token")

    def of(self, session_id: UUID) -> str:
        return self._derived(self._keys[0], session_id)

    def is_of(self, session_id: UUID, given: str) -> bool:
        """One of a former `SECRET_KEY` counts too: a page keeps its token while it is open."""
        answers = [
            hmac.compare_digest(self._derived(key, session_id).encode(), given.encode())
            for key in self._keys
        ]
        return any(answers)

    def _derived(self, key: bytes, session_id: UUID) -> str:
        return hmac.new(key, session_id.bytes, sha256).hexdigest()
