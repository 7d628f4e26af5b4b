from app.core.feature import Feature

from .extension import CachedBooks
from .openapi import BookConditions


def feature() -> Feature:
    """The reads of books through the cache. It has no data of its own."""
    return Feature(name="book_cache", extensions=(CachedBooks(), BookConditions()))
