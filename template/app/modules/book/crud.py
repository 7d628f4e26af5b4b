from uuid import UUID

from sqlalchemy import Select

from app.modules.common.crud import CRUD

from .models import Book
from .schemas import BookQuery

_SORTABLE = {
    # Ids are made in the order of creation, and their index is there anyway.
    "created_at": Book.id,
    "title": Book.title,
    "published_in": Book.published_in,
}


class BookCRUD(CRUD[Book]):
    model = Book
    searched = (Book.title, Book.author, Book.description)

    def owned_by(self, owner_id: UUID) -> Select[Book]:
        return self.select().where(Book.owner_id == owner_id)

    async def get_owned(self, owner_id: UUID, book_id: UUID) -> Book | None:
        return await self.session.scalar(self.owned_by(owner_id).where(Book.id == book_id))

    def matching(self, owner_id: UUID, query: BookQuery) -> Select[Book]:
        statement = self.search(self.owned_by(owner_id), query.search)
        if query.author is not None:
            statement = statement.where(Book.author == query.author)
        if query.published_from is not None:
            statement = statement.where(Book.published_in >= query.published_from)
        if query.published_to is not None:
            statement = statement.where(Book.published_in <= query.published_to)
        column = _SORTABLE[query.sort.removeprefix("-")]
        # Databases disagree on where null belongs; here a book without a year comes last.
        order = column.desc() if query.sort.startswith("-") else column.asc()
        return statement.order_by(order.nulls_last() if column is Book.published_in else order)
