from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.core.feature import Feature


@asynccontextmanager
async def open_features(features: Iterable[Feature]) -> AsyncGenerator[dict[str, Any]]:
    """Open every feature in order and close them in reverse, also when a later one fails."""
    state: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for feature in features:
            if feature.lifespan is None:
                continue
            added = await stack.enter_async_context(feature.lifespan())
            if clash := added.keys() & state.keys():
                raise RuntimeError(f"{feature.name} redefines request.state.{clash.pop()}")
            state.update(added)
        yield state
