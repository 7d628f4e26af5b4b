from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, ReadinessCheck, State

from .settings import StorageSettings
from .storage import Storage


def feature(settings: StorageSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"storage": Storage(settings)}

    return Feature(
        name="storage",
        lifespan=lifespan,
        # Whatever does not need a file's content goes on without it.
        readiness=(ReadinessCheck(name="storage", check=_check, is_required=False),),
    )


async def _check(state: State) -> None:
    storage: Storage = state["storage"]
    await storage.check()
