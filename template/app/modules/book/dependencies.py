from typing import Annotated

from fastapi import Depends

from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.modules.user.dependencies import CurrentUserDep

from .crud import BookCRUD
from .service import BookService


async def get_book_service(user: CurrentUserDep, session: SessionDep) -> BookService:
    return BookService(BookCRUD(session), user.id)


async def get_book_reader(user: CurrentUserDep, session: ReadSessionDep) -> BookService:
    return BookService(BookCRUD(session), user.id)


BookServiceDep = Annotated[BookService, Depends(get_book_service)]
BookReaderDep = Annotated[BookService, Depends(get_book_reader)]
"""The same service on a session that cannot write."""
