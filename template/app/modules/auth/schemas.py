from typing import Annotated, Literal

from pydantic import BaseModel, Field

from app.modules.common.schemas import ONE_LINE
from app.modules.user.models import EMAIL_LENGTH
from app.modules.user.schemas import KnownPassword


class LoginForm(BaseModel):
    """The form of RFC 6749 section 4.3; what else a client sends with it is ignored."""

    grant_type: Literal["password"] = "password"
    username: Annotated[
        str,
        Field(max_length=EMAIL_LENGTH, description="A username or an e-mail address."),
        ONE_LINE,
    ]
    password: KnownPassword


class TokenRead(BaseModel):
    """The answer of RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a kind of token, not a secret)
    expires_in: int
    """Seconds."""
