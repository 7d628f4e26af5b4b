import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


@asynccontextmanager
async def time_limit(seconds: float, error: type[Exception]) -> AsyncGenerator[None]:
    """Cancel the block when it has taken this long, and raise `error`.

    Also where the cancelled work makes another error of it, which `asyncio.timeout` would let pass
    for the reason.
    """
    try:
        async with asyncio.timeout(seconds) as clock:
            yield
    except Exception:
        if clock.expired():
            raise error from None
        raise
