from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, Field

from app.modules.common.pagination import PageQuery
from app.modules.common.schemas import ONE_LINE, SEVERAL_LINES, RecordSchema, RequestSchema

from .models import AUTHOR_LENGTH, DESCRIPTION_LENGTH, TITLE_LENGTH

Title = Annotated[str, Field(max_length=TITLE_LENGTH, examples=["Emma"]), ONE_LINE]
Author = Annotated[str, Field(max_length=AUTHOR_LENGTH, examples=["Jane Austen"]), ONE_LINE]
# Thirteen digits (ISO 2108), without dashes so that one book has one spelling.
Isbn = Annotated[str, Field(pattern=r"^97[89][0-9]{10}$", examples=["9780141439587"])]
Year = Annotated[int, Field(ge=1, le=2999, examples=[1815])]
Description = Annotated[str, Field(max_length=DESCRIPTION_LENGTH), SEVERAL_LINES]


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

    search: Annotated[str, Field(max_length=100), ONE_LINE] | None = None
    author: Author | None = None
    published_from: Year | None = None
    published_to: Year | None = None
    sort: Sort = "-created_at"
