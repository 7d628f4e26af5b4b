"""Names for an account that nobody chose them for."""

import re
import unicodedata
from secrets import token_hex

from pydantic import TypeAdapter, ValidationError

from app.modules.user.models import NAME_LENGTH, USERNAME_LENGTH
from app.modules.user.schemas import Name, Username

from .providers import Identity

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_USERNAME: TypeAdapter[str] = TypeAdapter(Username)
# 40 bits: with as many accounts of one name as there are people, few collide.
_SUFFIX_BYTES = 5


def username_of(identity: Identity) -> str:
    """From the name, else from the address; whether somebody has it is for the index to say."""
    for text in (identity.name or "", (identity.email or "").partition("@")[0]):
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        candidate = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:USERNAME_LENGTH]
        if _fits(_USERNAME, candidate):
            return candidate
    return another_username("user")


def another_username(username: str) -> str:
    suffix = token_hex(_SUFFIX_BYTES)
    return f"{username[: USERNAME_LENGTH - len(suffix) - 1]}_{suffix}"


def name_of(identity: Identity, username: str) -> str:
    shown = "".join(
        character if character.isprintable() else " " for character in identity.name or ""
    )
    candidate = " ".join(shown.split())[:NAME_LENGTH].strip()
    return candidate if _fits(_NAME, candidate) else username[:NAME_LENGTH]


def _fits(rules: TypeAdapter[str], text: str) -> bool:
    try:
        rules.validate_python(text)
    except ValidationError:
        return False
    return True
