import re
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, SecretStr

from app.modules.common.schemas import RequestSchema, Schema
from app.modules.user.schemas import Email, Password

_SHAPE = r"^[A-Za-z0-9_-]{43}$"


def _whole(token: SecretStr) -> SecretStr:
    if re.fullmatch(_SHAPE, token.get_secret_value()) is None:
        raise ValueError("must be what follows `#token=` in the link")
    return token


MailedToken = Annotated[
    SecretStr,
    Field(
        description="What follows `#token=` in the link.",
        json_schema_extra={"pattern": _SHAPE},
    ),
    AfterValidator(_whole),
]


class MailRequest(RequestSchema):
    email: Email


class MailRequested(Schema):
    """The same whether there is such an account or not."""

    detail: str = "If this address belongs to such an account, a mail is on its way."


class EmailConfirmation(RequestSchema):
    token: MailedToken


class PasswordReset(RequestSchema):
    token: MailedToken
    new_password: Password


class EmailTokenRead(Schema):
    """In the export."""

    purpose: str
    email: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
