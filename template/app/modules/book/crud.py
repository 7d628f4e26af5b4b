from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, or_

from app.modules.common.crud import CRUD
from app.modules.common.listing import Listing, Rows, contains

from .models import Book
from .schemas import BookQuery, BookRead

_table = Book.__table__
_books = _table.c
_LIVE_AND_OWNED = (_books.owner_id == bindparam("owner_id"), _books.deleted_at.is_(None))
_FILTERS = {
    "search": or_(
        *(contains(_books[name], "search") for name in ("title", "author", "description"))
    ),
    "author": _books.author == bindparam("author"),
    "published_from": _books.published_in >= bindparam("published_from"),
    "published_to": _books.published_in <= bindparam("published_to"),
}
_SORTABLE = {
    # Ids are made in the order of creation, and their index is there anyway.
    "created_at": _books.id,
    "title": _books.title,
    "published_in": _books.published_in,
}
_SCROLL = Listing(_table, BookRead, *_LIVE_AND_OWNED)


@cache
def _listing(filters: frozenset[str], sort: str) -> Listing:
    """One for each combination that a request can ask for."""
    column = _SORTABLE[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    # Databases disagree on where null belongs; here a book without a year comes last.
    order = order.nulls_last() if column.nullable else order
    criteria = (_FILTERS[name] for name in sorted(filters))
    return Listing(_table, BookRead, *_LIVE_AND_OWNED, *criteria, order=[order])


class BookCRUD(CRUD[Book]):
    model = Book

    async def get_owned(self, owner_id: UUID, book_id: UUID) -> Book | None:
        statement = self.select().where(Book.owner_id == owner_id, Book.id == book_id)
        return await self.session.scalar(statement)

    async def page_of(self, owner_id: UUID, query: BookQuery) -> tuple[Rows, int]:
        filters = query.model_dump(include=set(_FILTERS), exclude_none=True)
        return await _listing(frozenset(filters), query.sort).page(
            self.session,
            {"owner_id": owner_id, **filters},
            limit=query.items_per_page,
            offset=query.offset,
        )

    async def scroll_of(
        self, owner_id: UUID, *, last: UUID | None, limit: int
    ) -> tuple[Rows, UUID | None]:
        values = {"owner_id": owner_id}
        return await _SCROLL.after(self.session, values, last=last, limit=limit)
