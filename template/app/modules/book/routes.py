from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import CursorPage, CursorQuery, Page, cursor_page_of
from app.modules.common.problems import raises
from app.modules.user.errors import InsufficientScopeError, NotAuthenticatedError

from .dependencies import BookReaderDep, BookServiceDep
from .errors import BookNotFoundError, IsbnTakenError
from .models import Book
from .schemas import BookCreate, BookQuery, BookRead, BookUpdate

router = PrefixRouter(
    prefix="/books",
    tags=["books"],
    responses=raises(
        NotAuthenticatedError,
        InsufficientScopeError,
        DatabaseBusyError,
        DatabaseUnreachableError,
    ),
)


@router.post(
    "",
    response_model=BookRead,
    status_code=HTTPStatus.CREATED,
    responses=raises(IsbnTakenError),
)
async def add_book(
    books: BookServiceDep, data: BookCreate, request: Request, response: Response
) -> Book:
    """Add a book to your catalogue."""
    book = await books.create(data)
    response.headers["Location"] = request.url_for("read_book", book_id=book.id).path
    return book


@router.get("", response_model=Page[BookRead])
async def list_books(
    books: BookReaderDep, query: Annotated[BookQuery, Query()]
) -> Mapping[str, object] | Response:
    """List your books in numbered pages, with their total."""
    return await books.page(query)


@router.get("/scroll", response_model=CursorPage[BookRead])
async def scroll_books(
    books: BookReaderDep, query: Annotated[CursorQuery, Query()]
) -> dict[str, object]:
    """Go through your books, newest first: send each answer's `next_cursor` for the next one."""
    return cursor_page_of(*await books.scroll(query))


@router.get("/{book_id:uuid}", response_model=BookRead, responses=raises(BookNotFoundError))
async def read_book(books: BookReaderDep, book_id: UUID) -> Book | BookRead:
    """Read one of your books."""
    return await books.get(book_id)


@router.patch(
    "/{book_id:uuid}", response_model=BookRead, responses=raises(BookNotFoundError, IsbnTakenError)
)
async def update_book(books: BookServiceDep, book_id: UUID, data: BookUpdate) -> Book:
    """Change the fields that are present and leave the others alone."""
    return await books.update(book_id, data)


@router.delete(
    "/{book_id:uuid}", status_code=HTTPStatus.NO_CONTENT, responses=raises(BookNotFoundError)
)
async def delete_book(books: BookServiceDep, book_id: UUID) -> None:
    """Take a book out of your catalogue. Its ISBN can be added again."""
    await books.delete(book_id)
