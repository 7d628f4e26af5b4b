import os
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from app.core.feature import Feature, Process, State, extensions_of
from app.core.late import Late


@asynccontextmanager
async def open_features(
    features: Sequence[Feature],
    *,
    serves: bool = False,
    rests: bool = False,
    works: bool = False,
) -> AsyncGenerator[dict[str, Any]]:
    """Open every feature in order and close them in reverse, also when a later one fails.

    `serves`: the process answers requests, so what features do beside them is begun as well,
    unless it `rests` between them: some platforms let it run only while it answers.
    `works`: it works in the background until it is told to stop.
    """
    process = Process.SERVICE if serves else Process.WORKER if works else Process.COMMAND
    state: dict[str, Any] = {"extensions": extensions_of(features), "process": process}
    async with AsyncExitStack() as stack:
        for feature in features:
            if feature.lifespan is None:
                continue
            added = await stack.enter_async_context(feature.lifespan(state))
            if clash := added.keys() & state.keys():
                raise RuntimeError(f"{feature.name} redefines request.state.{clash.pop()}")
            state.update(added)
        if serves and not rests:
            _make_late(state)
        for feature in features:
            if serves and not rests and feature.serving is not None:
                await stack.enter_async_context(feature.serving(state))
        yield state


def _make_late(state: State) -> None:
    """A server has the time before it answers; no request should wait for it."""
    for value in state.values():
        if isinstance(value, Late):
            value()


@contextmanager
def supervise(features: Sequence[Feature], process: Process) -> Generator[None]:
    """In a process that starts several others of a kind, around their lives.

    What they share is prepared, and they find it in their environment. Ends the process with the
    reason where that cannot be done.
    """
    with ExitStack() as stack:
        for feature in features:
            if feature.supervising is not None:
                try:
                    os.environ |= stack.enter_context(feature.supervising(process))
                except OSError as exc:
                    sys.exit(str(exc))
        yield
