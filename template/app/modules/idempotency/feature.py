from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State

from .dependencies import REPLAYED
from .openapi import IdempotencyResponses
from .privacy import IdempotencyData, IdempotencyPurge
from .service import Idempotency
from .settings import IdempotencySettings


def feature(settings: IdempotencySettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {"idempotency": Idempotency(settings, state["keyring"])}

    return Feature(
        name="idempotency",
        lifespan=lifespan,
        extensions=(IdempotencyData(), IdempotencyPurge(), IdempotencyResponses()),
        exposed_headers=(REPLAYED,),
    )
