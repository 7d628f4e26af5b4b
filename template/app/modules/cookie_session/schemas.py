from typing import Annotated

from pydantic import AwareDatetime, Field

from app.modules.common.schemas import ONE_LINE, RequestSchema, Schema
from app.modules.user.models import EMAIL_LENGTH
from app.modules.user.schemas import KnownPassword


class SessionRequest(RequestSchema):
    username: Annotated[
        str,
        Field(max_length=EMAIL_LENGTH, description="A username or an e-mail address."),
        ONE_LINE,
    ]
    password: KnownPassword


class SessionLogin(Schema):
    """What a page needs beside the cookie, which it cannot read."""

    csrf_token: str
    """To be sent as `X-CSRF-Token` with every request that is not a GET."""
    expires_at: AwareDatetime
    """When the session ends, however active; it ends earlier where it is idle."""
