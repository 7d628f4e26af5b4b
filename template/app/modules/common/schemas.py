"""What the schemas of all modules are built from."""

import unicodedata
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints


class Schema(BaseModel):
    """Reads attributes, so that a route may return what a query returned."""

    model_config = ConfigDict(from_attributes=True)


class RequestSchema(BaseModel):
    """What a client sends; a field we do not know is a mistake, not noise."""

    model_config = ConfigDict(extra="forbid")


class TimestampSchema(Schema):
    created_at: AwareDatetime
    updated_at: AwareDatetime


class PersistentDeletion(Schema):
    is_deleted: bool
    deleted_at: datetime | None


class RecordSchema(TimestampSchema):
    """The part of a stored record that every answer shows."""

    id: UUID


def _refuse(value: str, *, allowed: str) -> str:
    # Control characters break logs and terminals, PostgreSQL refuses NUL, and lone surrogates
    # cannot be encoded at all.
    for character in value:
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed:
            raise ValueError("must not contain control characters")
    return value


def _plain(value: str) -> str:
    return _refuse(value, allowed="")


def _plain_lines(value: str) -> str:
    return _refuse(value, allowed="\n\r\t")


Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]
Line = Annotated[Stripped, AfterValidator(_plain)]
"""One line of text. Give the length with `Field`."""
Text = Annotated[Stripped, AfterValidator(_plain_lines)]
"""Text that may have several lines."""
