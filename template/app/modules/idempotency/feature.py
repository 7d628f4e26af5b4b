from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from app.core.feature import Feature, State, late_extension
from app.core.late import Late
from app.core.openapi import OpenAPIExtension
from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .headers import REPLAYED
from .settings import IdempotencySettings

if TYPE_CHECKING:
    from .service import Idempotency


def feature(settings: IdempotencySettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        def make() -> "Idempotency":
            from .service import Idempotency  # noqa: PLC0415 (late)

            return Idempotency(settings, state["keyring"])

        yield {"idempotency": Late(make)}

    return Feature(
        name="idempotency",
        lifespan=lifespan,
        extensions=(
            late_extension(PersonalData, __package__, "privacy.IdempotencyData"),
            late_extension(Purge, __package__, "privacy.IdempotencyPurge"),
            late_extension(OpenAPIExtension, __package__, "openapi.IdempotencyResponses"),
        ),
        exposed_headers=(REPLAYED,),
    )
