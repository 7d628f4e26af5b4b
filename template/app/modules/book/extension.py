"""Where other features take part in the books, without this one knowing them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.core.extensions import Extensions
from app.core.feature import State
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery

if TYPE_CHECKING:
    from .models import Book
    from .schemas import BookQuery, BookRead


class BookReader(Protocol):
    """What the routes read through: one owner's books."""

    async def get(self, book_id: UUID) -> "Book | BookRead": ...

    async def page(self, query: "BookQuery") -> Mapping[str, object] | Response:
        """The fields of a page, or the whole answer."""

    async def scroll(self, query: CursorQuery) -> tuple[Rows, UUID | None]: ...


class BookExtension(ABC):
    """An entry of `Feature.extensions`."""

    @abstractmethod
    def reader(self, reader: BookReader, owner_id: UUID, connection: HTTPConnection) -> BookReader:
        """What a request reads through instead of `reader`."""

    @abstractmethod
    def changed(self, session: AsyncSession, owner_id: UUID, state: State) -> None:
        """Something about one owner's books changes in the transaction of `session`."""


def announce_change(session: AsyncSession, owner_id: UUID, state: State) -> None:
    extensions: Extensions = state["extensions"]
    for extension in extensions.of(BookExtension):
        extension.changed(session, owner_id, state)
