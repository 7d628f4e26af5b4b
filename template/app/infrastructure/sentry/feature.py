from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State
from app.core.settings import Environment

from .request import RequestMiddleware
from .settings import SentrySettings


def feature(settings: SentrySettings, *, environment: Environment, release: str) -> Feature:
    """List it first: what goes wrong while the others open is reported too."""
    if (dsn := settings.dsn) is None:
        return Feature(name="sentry")

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        # Half a second, which only who reports errors pays.
        from .reporting import reporting  # noqa: PLC0415 (see above)

        async with reporting(dsn, settings, environment=environment, release=release):
            yield {}

    async def settle(_: State) -> None:
        from .reporting import flush  # noqa: PLC0415 (there already)

        await flush(settings.close_seconds)

    return Feature(
        name="sentry",
        lifespan=lifespan,
        settle=settle,
        middleware=(Middleware(RequestMiddleware),),
    )
