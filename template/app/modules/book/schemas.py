from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import MISSING, AfterValidator, Field, model_validator

from app.modules.common.pagination import PageQuery
from app.modules.common.schemas import Line, RecordSchema, RequestSchema, Text

from .models import AUTHOR_LENGTH, DESCRIPTION_LENGTH, ISBN_LENGTH, TITLE_LENGTH


def _canonical_isbn(text: str) -> str:
    """Thirteen digits without dashes; the last one checks the others (ISO 2108)."""
    digits = text.replace("-", "").replace(" ", "")
    if len(digits) != ISBN_LENGTH or not (digits.isascii() and digits.isdigit()):
        raise ValueError("must have 13 digits, with or without dashes")
    weighted = sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(digits))
    if weighted % 10:
        raise ValueError("has a wrong check digit")
    return digits


Title = Annotated[Line, Field(min_length=1, max_length=TITLE_LENGTH, examples=["Emma"])]
Author = Annotated[Line, Field(min_length=1, max_length=AUTHOR_LENGTH, examples=["Jane Austen"])]
Isbn = Annotated[
    str, Field(max_length=20, examples=["978-0-14-143958-7"]), AfterValidator(_canonical_isbn)
]
Year = Annotated[int, Field(ge=1, le=2999, examples=[1815])]
Description = Annotated[Text, Field(max_length=DESCRIPTION_LENGTH)]


class BookBase(RequestSchema):
    title: Title
    author: Author
    isbn: Isbn
    published_in: Year | None = None
    description: Description | None = None


class BookCreate(BookBase):
    """The owner is whoever sends it, so it is not a field here."""


class BookCreateInternal(BookBase):
    owner_id: UUID


class BookRead(RecordSchema):
    title: str
    author: str
    isbn: str
    published_in: int | None
    description: str | None


class BookUpdate(RequestSchema):
    """A field left out is left alone; only the year and the description may be `null`."""

    title: Title | MISSING = MISSING
    author: Author | MISSING = MISSING
    isbn: Isbn | MISSING = MISSING
    published_in: Year | MISSING | None = MISSING
    description: Description | MISSING | None = MISSING


Sort = Literal["created_at", "-created_at", "title", "-title", "published_in", "-published_in"]


class BookQuery(PageQuery):
    """What to list, and in which order; a leading minus sorts downwards."""

    search: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    author: Author | None = None
    published_from: Year | None = None
    published_to: Year | None = None
    sort: Sort = "-created_at"

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.published_from and self.published_to and self.published_from > self.published_to:
            raise ValueError("published_from must not be later than published_to")
        return self
