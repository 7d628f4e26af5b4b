"""Whether a page of ours meant a form to be sent, without anything stored on the server.

Double submit: a secret in a cookie, and in the form a token that only its reader can derive.
Another site can make a browser send both, but read neither, so it cannot make them fit. Each form
has a token of its own: a secret that is the same in many compressed answers can be found out from
their sizes (BREACH).
"""

import hmac
import re
from hashlib import sha256
from secrets import token_urlsafe

FIELD = "csrf"

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def new_secret() -> str:
    return token_urlsafe(32)


def is_secret(value: str | None) -> bool:
    """Whether `new_secret` may have made it; anything else is no reason to believe a form."""
    return value is not None and _SECRET.fullmatch(value) is not None


def new_token(secret: str) -> str:
    nonce = token_urlsafe(16)
    return f"{nonce}.{_derived(secret, nonce)}"


def is_token_of(secret: str, given: str) -> bool:
    nonce, _, derived = given.partition(".")
    return hmac.compare_digest(_derived(secret, nonce).encode(), derived.encode())


def _derived(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), nonce.encode(), sha256).hexdigest()
