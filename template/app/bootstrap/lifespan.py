from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from app.core.feature import Feature, extensions_of


@asynccontextmanager
async def open_features(
    features: Sequence[Feature], *, serves: bool = False
) -> AsyncGenerator[dict[str, Any]]:
    """Open every feature in order and close them in reverse, also when a later one fails.

    `serves`: the process answers requests, so what features do beside them is begun as well.
    """
    state: dict[str, Any] = {"extensions": extensions_of(features)}
    async with AsyncExitStack() as stack:
        for feature in features:
            if feature.lifespan is None:
                continue
            added = await stack.enter_async_context(feature.lifespan(state))
            if clash := added.keys() & state.keys():
                raise RuntimeError(f"{feature.name} redefines request.state.{clash.pop()}")
            state.update(added)
        for feature in features:
            if serves and feature.serving is not None:
                await stack.enter_async_context(feature.serving(state))
        yield state
