from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.modules.common.schemas import Schema

from .models import PATH_LENGTH

_SEGMENT = "[A-Za-z0-9._~-]+"
LocalPath = Annotated[
    str,
    Field(
        max_length=PATH_LENGTH,
        # A path of this very host. Two slashes, a backslash, a scheme, an `@`, and any of them
        # encoded, are what browsers and proxies have taken for another one.
        pattern=rf"^/({_SEGMENT}(/{_SEGMENT})*/?)?(\?[A-Za-z0-9._~%&=+,:-]*)?(#[A-Za-z0-9._~=-]*)?$",
        examples=["/welcome"],
        description="Where to go afterwards, on this host.",
    ),
]

# RFC 6749 names the characters and sets no bound; the longest codes in use have 2 kB.
_Text = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[\x20-\x7e]+$")]


class Callback(BaseModel):
    """What the provider sends the browser back with. It may send more, which is ignored."""

    model_config = ConfigDict(extra="ignore")

    state: _Text
    code: _Text | None = None
    error: _Text | None = None
    iss: _Text | None = None


class ProviderRead(Schema):
    """One that can be logged in with."""

    name: str
    """Its place in the paths."""
    title: str
    """What to write on the button."""


class LinkBegun(BaseModel):
    authorization_url: str
    """Send the browser there."""


class LinkedAccountRead(Schema):
    """Somebody at a provider who may log in to your account."""

    id: UUID
    provider: str
    email: str | None = None
    created_at: AwareDatetime
    last_login_at: AwareDatetime | None = None


class LinkedAccountExport(LinkedAccountRead):
    """Everything that is stored about one."""

    subject: str
