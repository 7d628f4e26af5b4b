from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of

from .extension import BookExtension
from .measures import BOOKS_ADDED
from .permissions import READ_BOOKS, WRITE_BOOKS
from .privacy import BooksData
from .routes import router


@asynccontextmanager
async def _lifespan(state: State) -> AsyncGenerator[State]:
    yield {"book_extensions": state["extensions"].of(BookExtension)}


def feature() -> Feature:
    return Feature(
        name="book",
        lifespan=_lifespan,
        routers=(router,),
        commands={"book": commands_of(__package__)},
        extensions=(READ_BOOKS, WRITE_BOOKS, BooksData(), BOOKS_ADDED),
    )
