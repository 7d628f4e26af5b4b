"""Two ways through a long list: numbered pages with a total, or a cursor without one."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field

from .schemas import Schema

Item = TypeVar("Item")


class PageQuery(BaseModel):
    """Numbered pages. A page far down costs as much as all before it."""

    model_config = ConfigDict(extra="forbid")

    page: Annotated[int, Field(ge=1, le=10_000)] = 1
    items_per_page: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.items_per_page


class Page(Schema, Generic[Item]):
    data: list[Item]
    total_count: int
    page: int
    items_per_page: int

    @computed_field  # type: ignore[prop-decorator]  # mypy does not know decorated properties
    @property
    def has_more(self) -> bool:
        return self.page * self.items_per_page < self.total_count


def page_of(query: PageQuery, data: object, total: int) -> dict[str, object]:
    """What a route returns whose `response_model` is a `Page`."""
    return {
        "data": data,
        "total_count": total,
        "page": query.page,
        "items_per_page": query.items_per_page,
    }


class CursorQuery(BaseModel):
    """Keyset pagination: every page costs the same, and new records do not shift the next one."""

    model_config = ConfigDict(extra="forbid")

    # The 22 characters of 16 bytes in base64; the last one holds only two bits.
    cursor: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]$")] | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20

    @property
    def after(self) -> UUID | None:
        return None if self.cursor is None else decode_cursor(self.cursor)


class CursorPage(Schema, Generic[Item]):
    data: list[Item]
    next_cursor: str | None
    """Absent on the last page."""


def cursor_page_of(data: object, last: UUID | None) -> dict[str, object]:
    """What a route returns whose `response_model` is a `CursorPage`; `last` is None at the end."""
    return {"data": data, "next_cursor": None if last is None else encode_cursor(last)}


def encode_cursor(last: UUID) -> str:
    return urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> UUID:
    return UUID(bytes=urlsafe_b64decode(cursor + "=="))
