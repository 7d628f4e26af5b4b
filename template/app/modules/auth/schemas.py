from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from app.modules.common.schemas import ONE_LINE, RequestSchema, Schema
from app.modules.user.models import EMAIL_LENGTH
from app.modules.user.schemas import KnownPassword, Password

SCOPE_LENGTH = 2000


class LoginForm(BaseModel):
    """The form of RFC 6749 section 4.3; what else a client sends with it is ignored."""

    grant_type: Literal["password"] = "password"
    username: Annotated[
        str,
        Field(max_length=EMAIL_LENGTH, description="A username or an e-mail address."),
        ONE_LINE,
    ]
    password: KnownPassword
    scope: Annotated[
        str,
        Field(
            max_length=SCOPE_LENGTH,
            # Scopes separated by one blank each: RFC 6749 section 3.3.
            pattern=r"^([\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*)?$",
            description="What to limit the tokens to; empty: a full login.",
        ),
    ] = ""


class TokenRead(BaseModel):
    """The answer of RFC 6749 section 5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (a kind of token, not a secret)
    expires_in: int
    """Seconds."""
    refresh_token: str
    refresh_expires_in: int
    scope: str | None = None
    """What the tokens are limited to; absent for a full login."""


class RefreshRequest(RequestSchema):
    refresh_token: Annotated[str, Field(min_length=1, max_length=200)]


class ConfirmRequest(RequestSchema):
    current_password: KnownPassword


class PasswordChange(RequestSchema):
    current_password: KnownPassword
    new_password: Password


def _words(value: Any) -> Any:  # noqa: ANN401 (before validation)
    return value.split() if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_words)]


class SessionRead(Schema):
    """One of your logins."""

    id: UUID
    kind: str
    methods: Words
    scope: str | None
    created_at: AwareDatetime
    authenticated_at: AwareDatetime
    last_used_at: AwareDatetime
    expires_at: AwareDatetime
    address: str | None
    user_agent: str | None
    is_current: bool = False


class JsonWebKeys(BaseModel):
    """RFC 7517."""

    keys: list[dict[str, str]]
