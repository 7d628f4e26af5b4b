"""Whether a page of ours meant a request, and not one of another site that borrows the cookie."""

import hmac
from collections.abc import Collection
from hashlib import sha256
from uuid import UUID

from starlette.requests import HTTPConnection

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


def is_from_us(connection: HTTPConnection, trusted: Collection[str]) -> bool:
    """Whether a page of this service or of a trusted origin sent the request, or no browser did.

    `Origin` names the page, so it decides who is trusted; `Sec-Fetch-Site` cannot tell one foreign
    site from another. That a page is ours is better told by `Sec-Fetch-Site`: behind a proxy that
    rewrites `Host` we do not know our own name. A sibling domain (`same-site`) is not us. Browsers
    too old for it, and those that speak plain HTTP to us, send `Origin` alone, which is compared
    with `Host`. A program that sends neither has no cookies of anybody else.
    """
    origin = connection.headers.get("origin")
    if origin is not None and origin in trusted:
        return True
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        # `none`: typed into the address bar.
        return site in {"same-origin", "none"}
    if origin is None:
        return True
    host = connection.headers.get("host")
    # Not the scheme: behind a proxy that ends TLS ours seems to be http.
    return bool(host) and origin.partition("://")[2] == host
