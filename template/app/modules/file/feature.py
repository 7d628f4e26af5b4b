from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of
from app.infrastructure.http.limits import BodyAllowance

from .leftovers import Leftovers, LeftoversPurge
from .permissions import READ_FILES, WRITE_FILES
from .privacy import FilesData
from .routes import router, upload_router
from .settings import FileSettings


def feature(settings: FileSettings) -> Feature:
    leftovers = Leftovers()

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        leftovers.attach(state["database"], state["storage"])
        yield {"file_settings": settings, "file_leftovers": leftovers}

    return Feature(
        name="file",
        routers=(upload_router(settings), router),
        lifespan=lifespan,
        commands={"file": commands_of(__package__)},
        extensions=(
            READ_FILES,
            WRITE_FILES,
            BodyAllowance("POST", "/files", settings.form_bytes),
            BodyAllowance("POST", "/files/raw", settings.max_bytes),
            LeftoversPurge(leftovers),
            FilesData(leftovers),
        ),
    )
