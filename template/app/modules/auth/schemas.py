from typing import Literal

from pydantic import BaseModel


class TokenRead(BaseModel):
    """The answer of RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a kind of token, not a secret)
    expires_in: int
    """Seconds."""
