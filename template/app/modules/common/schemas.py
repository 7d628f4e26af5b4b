"""What the schemas of all modules are built from."""

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema


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


@dataclass(frozen=True)
class Printable:
    """Restricts a text to characters that can be shown: `Annotated[str, Field(...), ONE_LINE]`.

    Control characters break logs and terminals, and NUL most stores; lone surrogates, which JSON
    and command lines can carry, cannot be encoded.
    """

    several_lines: bool

    def check(self, value: str) -> str:
        if not self.several_lines and (not value or value != value.strip()):
            raise ValueError("must not be blank, nor begin or end with a blank")
        allowed = "\n\r\t" if self.several_lines else ""
        for character in value:
            if unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed:
                raise ValueError("must not contain control characters")
        return value

    @property
    def pattern(self) -> str:
        """What `check` accepts, for the API's description."""
        if self.several_lines:
            return r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
        ends, between = r"[^\s\x00-\x1f\x7f-\x9f]", r"[^\x00-\x1f\x7f-\x9f]*"
        return f"^{ends}({between}{ends})?$"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # After the lengths, so that a text which is too long is told so.
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.pattern}


ONE_LINE = Printable(several_lines=False)
SEVERAL_LINES = Printable(several_lines=True)
