from app.core.feature import Feature

from .routes import router


def feature() -> Feature:
    return Feature(name="book", routers=(router,))
