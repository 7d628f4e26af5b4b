r"""What a key looks like.

    sk_ + 40 random characters + a checksum of 6, all of 0-9, A-Z and a-z

`\b[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{46}\b` finds one in a text, and the checksum tells it from what
only looks alike: secret scanners raise no false alarms, and a mistyped key costs no query.
"""

import re
import secrets
import string
from zlib import crc32

from app.infrastructure.security.keys import Keyring

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 238 bits of which 190 are never shown; nobody guesses one, so guesses need no counting.
_RANDOM = 40
_VISIBLE = 8
_CHECKSUM = 6
_SHAPE = re.compile(r"[a-z][a-z0-9]{1,9}_[0-9A-Za-z]{46}")


def new_key(word: str) -> str:
    body = f"{word}_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """Whether it can be a key at all, whatever word it begins with."""
    return _SHAPE.fullmatch(text) is not None and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def key_digests(keyring: Keyring, key: str) -> list[str]:
    """The hashes a key may be stored under, that of the secret in use first."""
    return keyring.digests("api key", key)


def visible_part(key: str) -> str:
    """What may be shown of it for ever."""
    return key[: key.index("_") + 1 + _VISIBLE]


def _checksum(text: str) -> str:
    # Against mistakes, not attackers: it gives nothing away that the rest does not.
    number, digits = crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
