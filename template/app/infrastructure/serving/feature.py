from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from random import uniform

from starlette.middleware import Middleware

from app.core.errors import UnavailableError
from app.core.feature import Feature, ReadinessCheck, State
from app.core.settings import Environment

from .middleware import ServingMiddleware
from .settings import ServeSettings
from .stopping import Stopping
from .supervisor import tell_ready


class StoppingError(UnavailableError):
    code = "serving.stopping"
    title = "Stopping"

    def __init__(self) -> None:
        super().__init__("this process is going to stop", retry_after_seconds=5)


def feature(settings: ServeSettings, *, environment: Environment) -> Feature:
    """Listed first: what the others open is closed when the last request has ended."""
    drain_seconds = settings.drains_for(environment)
    stopping = Stopping(drain_seconds)

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"stopping": stopping}

    @asynccontextmanager
    async def serving(_: State) -> AsyncGenerator[None]:
        with stopping.watching_signals():
            tell_ready()
            yield

    async def check(_: State) -> None:
        if stopping.is_announced:
            raise StoppingError

    # Not all workers at the same moment.
    most = round(settings.max_requests * uniform(1, 1.2))  # noqa: S311 (not a secret)
    return Feature(
        name="serving",
        lifespan=lifespan,
        serving=serving,
        middleware=(Middleware(ServingMiddleware, stopping=stopping, max_requests=most),),
        readiness=(ReadinessCheck(name="serving", check=check),),
        server_options={
            "timeout_keep_alive": settings.keep_alive_seconds,
            # Whole seconds; 0 would be none.
            "timeout_graceful_shutdown": settings.stop_seconds - int(drain_seconds),
            # A worker that says nothing for so long is killed. On a small or busy machine it takes
            # that long until it begins to speak.
            "timeout_worker_healthcheck": 60,
        },
    )
