from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from app.infrastructure.database.after_commit import count_after_commit
from app.infrastructure.database.errors import translate_violations
from app.modules.common.listing import Rows
from app.modules.common.pagination import CursorQuery, page_of

from .crud import BookCRUD
from .errors import BookNotFoundError, IsbnTakenError
from .measures import BOOKS_ADDED
from .models import Book
from .schemas import BookCreate, BookCreateInternal, BookQuery, BookUpdate


def _to_nobody() -> None:
    """For a service that only reads."""


class BookService:
    """One owner's books: every query starts from theirs.

    `announce` is called for each change, within its transaction.
    """

    def __init__(
        self, books: BookCRUD, owner_id: UUID, announce: Callable[[], None] = _to_nobody
    ) -> None:
        self.books = books
        self.owner_id = owner_id
        self.announce = announce

    async def get(self, book_id: UUID) -> Book:
        book = await self.books.get_owned(self.owner_id, book_id)
        if book is None:
            raise BookNotFoundError(book_id)
        return book

    async def page(self, query: BookQuery) -> dict[str, object]:
        return page_of(query, *await self.books.page_of(self.owner_id, query))

    async def scroll(self, query: CursorQuery) -> tuple[Rows, UUID | None]:
        return await self.books.scroll_of(self.owner_id, last=query.after, limit=query.limit)

    async def create(self, data: BookCreate) -> Book:
        record = BookCreateInternal(**data.model_dump(), owner_id=self.owner_id)
        with translate_violations(uq_book_owner_id_isbn=IsbnTakenError()):
            book = await self.books.add(Book(**record.model_dump()))
        self.announce()
        count_after_commit(self.books.session, BOOKS_ADDED)
        return book

    async def update(self, book_id: UUID, data: BookUpdate) -> Book:
        book = await self.get(book_id)
        with translate_violations(uq_book_owner_id_isbn=IsbnTakenError()):
            book = await self.books.update(book, data.model_dump())
        self.announce()
        return book

    async def delete(self, book_id: UUID) -> None:
        book = await self.get(book_id)
        await self.books.update(book, {"deleted_at": datetime.now(UTC)})
        self.announce()
