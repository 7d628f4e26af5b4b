"""What the schemas of all modules are built from."""

import unicodedata
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


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


# What the checks below accept, for the API's description.
VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"
PRINTABLE = r"[^\x00-\x1f\x7f-\x9f]"


def _without_controls(value: str, allowed: str = "") -> str:
    # Control characters break logs and terminals, and NUL most stores; lone surrogates (a command
    # line can give some) cannot be encoded.
    refused = {"Cc", "Cs"}
    if any(unicodedata.category(item) in refused and item not in allowed for item in value):
        raise ValueError("must not contain control characters")
    return value


def _one_line(value: str) -> str:
    if value != value.strip() or not value:
        raise ValueError("must not be blank, nor begin or end with a blank")
    return _without_controls(value)


def _lines(value: str) -> str:
    return _without_controls(value, allowed="\n\r\t")


Line = Annotated[
    str,
    AfterValidator(_one_line),
    Field(min_length=1, json_schema_extra={"pattern": f"^{VISIBLE}({PRINTABLE}*{VISIBLE})?$"}),
]
"""One line of text. Give the longest with `Field`."""
Text = Annotated[
    str,
    AfterValidator(_lines),
    Field(json_schema_extra={"pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"}),
]
"""Text that may have several lines. Give the longest with `Field`."""
