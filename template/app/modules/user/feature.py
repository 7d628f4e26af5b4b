from app.core.feature import Feature

from .commands import commands
from .routes import router


def feature() -> Feature:
    return Feature(name="user", routers=(router,), commands={"user": commands})
