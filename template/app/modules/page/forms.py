from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from annotated_types import MaxLen
from pydantic import ValidationError

from .schemas import FormSchema

Content = TypeVar("Content", bound=FormSchema)

_MESSAGES = {
    "extra_forbidden": "The form has a field too many. Reload the page.",
    "missing": "Please fill this in.",
    "string_too_long": "At most {max_length} characters, please.",
}


@dataclass(frozen=True, slots=True)
class FormField:
    """One field as a template shows it."""

    value: str
    error: str | None
    max_length: int | None
    is_required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[Content]):
    """What was sent: the content, or what to say about it. Before that, an empty form."""

    schema: type[Content]
    content: Content | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> str | None:
        """What is wrong with none of its fields."""
        return self.errors.get("")

    def __getitem__(self, name: str) -> FormField:
        info = self.schema.model_fields[name]
        lengths = [it.max_length for it in info.metadata if isinstance(it, MaxLen)]
        return FormField(
            value=self.values.get(name, ""),
            error=self.errors.get(name),
            max_length=min(lengths, default=None),
            is_required=info.is_required(),
        )


def read_form(schema: type[Content], fields: Iterable[tuple[str, str]]) -> Form[Content]:
    """Of two fields with one name the last counts."""
    # Browsers send two characters for a line's end, and count it as one.
    values = {name: value.replace("\r\n", "\n") for name, value in fields}
    filled = {name: value for name, value in values.items() if value.strip()}
    try:
        content = schema.model_validate(filled)
    except ValidationError as exc:
        errors = {_field(error, schema): _message(error) for error in reversed(exc.errors())}
        return Form(schema=schema, values=values, errors=errors)
    return Form(schema=schema, values=values, content=content)


def _field(error: Mapping[str, Any], schema: type[FormSchema]) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    # Never a name that was sent and that we do not know.
    return name if name in schema.model_fields else ""


def _message(error: Mapping[str, Any]) -> str:
    if (message := _MESSAGES.get(error["type"])) is not None:
        return message.format_map(error.get("ctx", {}))
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{text[:1].upper()}{text[1:]}."
