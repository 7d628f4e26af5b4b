from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from app.core.feature import Feature, State, commands_of, late_extension, late_router
from app.core.late import Late
from app.infrastructure.database.purge import Purge
from app.infrastructure.http.limits import BodyAllowance
from app.modules.user.privacy import PersonalData

from .permissions import READ_FILES, WRITE_FILES
from .settings import FileSettings

if TYPE_CHECKING:
    from .leftovers import Leftovers


def feature(settings: FileSettings) -> Feature:
    opened: dict[str, Any] = {}

    def make() -> "Leftovers":
        from .leftovers import Leftovers  # noqa: PLC0415 (late)

        return Leftovers(**opened)

    leftovers = Late(make)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        opened.update(database=state["database"], storage=state["storage"])
        yield {"file_settings": settings, "file_leftovers": leftovers}

    return Feature(
        name="file",
        routers=(
            late_router(__package__, "/files", "upload_router", settings),
            late_router(__package__, "/files"),
        ),
        lifespan=lifespan,
        commands={"file": commands_of(__package__)},
        extensions=(
            READ_FILES,
            WRITE_FILES,
            BodyAllowance("POST", "/files", settings.form_bytes),
            BodyAllowance("POST", "/files/raw", settings.max_bytes),
            late_extension(Purge, __package__, "leftovers.LeftoversPurge", leftovers),
            late_extension(PersonalData, __package__, "privacy.FilesData", leftovers),
        ),
    )
