"""Which passwords are good enough, wherever one is chosen: at registration, change and reset."""

import re
from functools import cache

from pydantic import SecretStr

from .errors import WeakPasswordError

# Leaked passwords are tried first, then the same with a year, a `!` or a doubling.
_AT_THE_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")
_SEQUENCES = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
)


def check_password(password: SecretStr, *about_the_owner: str) -> None:
    """Raises `WeakPasswordError` for a password that is among the first to be tried.

    Length decides how hard one is to guess (NIST SP 800-63B section 3.1.1.2), so nothing is asked
    about kinds of characters. `about_the_owner` is what an attacker knows: names, addresses.
    """
    text = password.get_secret_value().casefold()
    core = _AT_THE_ENDS.sub("", text)
    if {text, core} & _common():
        raise WeakPasswordError("is one that many people use")
    if any(text in sequence * 2 or text in sequence[::-1] * 2 for sequence in _SEQUENCES):
        raise WeakPasswordError("is a row of the alphabet or the keyboard")
    words = {word for item in about_the_owner for word in (item.casefold(), *_words(item))}
    if {text, core} & words:
        raise WeakPasswordError("is made from your name or address")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


@cache
def _common() -> frozenset[str]:
    # Most of a megabyte, which only who chooses a password needs.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 (see above)

    # Short ones too: a common word with digits around it is no better.
    return frozenset(FREQUENCY_LISTS["passwords"])
