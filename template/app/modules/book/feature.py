from app.core.feature import Feature, commands_of, late_extension, late_router
from app.modules.user.privacy import PersonalData

from .measures import BOOKS_ADDED
from .permissions import READ_BOOKS, WRITE_BOOKS


def feature() -> Feature:
    return Feature(
        name="book",
        routers=(late_router(__package__, "/books"),),
        commands={"book": commands_of(__package__)},
        extensions=(
            READ_BOOKS,
            WRITE_BOOKS,
            late_extension(PersonalData, __package__, "privacy.BooksData"),
            BOOKS_ADDED,
        ),
    )
