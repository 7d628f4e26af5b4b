from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from app.core.extensions import Extensions
from app.core.feature import State
from app.infrastructure.database.session import ReadSessionDep, SessionDep
from app.modules.user.dependencies import requires
from app.modules.user.models import CurrentUser

from .crud import BookCRUD
from .extension import BookExtension, BookReader, announce_change
from .permissions import READ_BOOKS, WRITE_BOOKS
from .service import BookService


async def get_book_service(
    user: Annotated[CurrentUser, requires(WRITE_BOOKS)],
    session: SessionDep,
    connection: HTTPConnection,
) -> BookService:
    return book_service_of(user.id, session, connection.scope["state"])


def book_service_of(owner_id: UUID, session: AsyncSession, state: State) -> BookService:
    """`state` is what the features opened."""
    announce = partial(announce_change, session, owner_id, state)
    return BookService(BookCRUD(session), owner_id, announce)


async def get_book_reader(
    user: Annotated[CurrentUser, requires(READ_BOOKS)],
    session: ReadSessionDep,
    connection: HTTPConnection,
) -> BookReader:
    reader: BookReader = BookService(BookCRUD(session), user.id)
    extensions: Extensions = connection.state.extensions
    for extension in extensions.of(BookExtension):
        reader = extension.reader(reader, user.id, connection)
    return reader


BookServiceDep = Annotated[BookService, Depends(get_book_service)]
BookReaderDep = Annotated[BookReader, Depends(get_book_reader)]
"""On a session that cannot write."""
