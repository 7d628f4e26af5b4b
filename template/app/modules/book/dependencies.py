from typing import Annotated

from fastapi import Depends

from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.modules.user.dependencies import requires
from app.modules.user.models import CurrentUser

from .crud import BookCRUD
from .permissions import READ_BOOKS, WRITE_BOOKS
from .service import BookService


async def get_book_service(
    user: Annotated[CurrentUser, requires(WRITE_BOOKS)], session: SessionDep
) -> BookService:
    return BookService(BookCRUD(session), user.id)


async def get_book_reader(
    user: Annotated[CurrentUser, requires(READ_BOOKS)], session: ReadSessionDep
) -> BookService:
    return BookService(BookCRUD(session), user.id)


BookServiceDep = Annotated[BookService, Depends(get_book_service)]
BookReaderDep = Annotated[BookService, Depends(get_book_reader)]
"""The same service on a session that cannot write."""
