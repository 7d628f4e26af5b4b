from app.core.feature import Feature, late_extension
from app.core.openapi import OpenAPIExtension
from app.modules.book.extension import BookExtension


def feature() -> Feature:
    """The reads of books through the cache. It has no data of its own."""
    return Feature(
        name="book_cache",
        extensions=(
            late_extension(BookExtension, __package__, "extension.CachedBooks"),
            late_extension(OpenAPIExtension, __package__, "openapi.BookConditions"),
        ),
    )
