from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from app.infrastructure.database.errors import translate_violations
from app.modules.common.pagination import CursorQuery

from .crud import BookCRUD
from .errors import BookNotFoundError, IsbnTakenError
from .models import Book
from .schemas import BookCreate, BookCreateInternal, BookQuery, BookUpdate


class BookService:
    """One owner's books: every query starts from theirs."""

    def __init__(self, books: BookCRUD, owner_id: UUID) -> None:
        self.books = books
        self.owner_id = owner_id

    async def get(self, book_id: UUID) -> Book:
        book = await self.books.get_owned(self.owner_id, book_id)
        if book is None:
            raise BookNotFoundError(book_id)
        return book

    async def page(self, query: BookQuery) -> tuple[Sequence[Book], int]:
        statement = self.books.matching(self.owner_id, query)
        return await self.books.page(statement, limit=query.items_per_page, offset=query.offset)

    async def scroll(self, query: CursorQuery) -> tuple[Sequence[Book], UUID | None]:
        statement = self.books.owned_by(self.owner_id)
        return await self.books.after(statement, last=query.after, limit=query.limit)

    async def create(self, data: BookCreate) -> Book:
        record = BookCreateInternal(**data.model_dump(), owner_id=self.owner_id)
        with translate_violations(uq_book_owner_id_isbn=IsbnTakenError()):
            return await self.books.add(Book(**record.model_dump()))

    async def update(self, book_id: UUID, data: BookUpdate) -> Book:
        book = await self.get(book_id)
        with translate_violations(uq_book_owner_id_isbn=IsbnTakenError()):
            return await self.books.update(book, data.model_dump())

    async def delete(self, book_id: UUID) -> None:
        book = await self.get(book_id)
        await self.books.update(book, {"deleted_at": datetime.now(UTC)})
