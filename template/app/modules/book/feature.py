from app.core.feature import Feature

from .commands import commands
from .permissions import READ_BOOKS, WRITE_BOOKS
from .privacy import BooksData
from .routes import router


def feature() -> Feature:
    return Feature(
        name="book",
        routers=(router,),
        commands={"book": commands},
        extensions=(READ_BOOKS, WRITE_BOOKS, BooksData()),
    )
