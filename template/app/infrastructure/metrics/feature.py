from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial

import structlog
from starlette.middleware import Middleware

from app.core.feature import Feature, Process, State
from app.core.routing import ProbePath

from .binding import bind
from .middleware import MetricsMiddleware
from .routes import PATH, build_router
from .settings import MetricsSettings
from .supervision import supervising

logger = structlog.get_logger()


def feature(settings: MetricsSettings, *, deployed: bool) -> Feature:
    """List it last: it shows what the others have opened.

    Where nobody could read the numbers none are kept, and the library is not imported.
    """
    is_read = partial(settings.is_read, deployed=deployed)
    # Beside the API, unless there is a listener in its place.
    is_beside = settings.port is None or settings.token is not None

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        process: Process = state["process"]
        if not is_read(process):
            yield {}
            return
        # Some 100 ms, which only who keeps numbers pays.
        from .listener import listening  # noqa: PLC0415
        from .meter import Meter  # noqa: PLC0415

        meter, port = Meter(state), settings.port_of(process)
        with ExitStack() as stack:
            stack.enter_context(meter.collecting())
            if port is not None and not meter.is_shared:
                # Of several processes the one that has started them listens.
                listener = stack.enter_context(bind(settings.address, port))
                stack.enter_context(listening(listener, settings.token, meter.expose))
            if deployed and meter.is_lonely:
                logger.warning("metrics of one process alone: start them with `app.cli serve`")
            yield {"meter": meter}

    @contextmanager
    def supervise(process: Process) -> Generator[Mapping[str, str]]:
        if not is_read(process):
            yield {}
            return
        with supervising(settings, process) as environment:
            yield environment

    if not is_read(Process.SERVICE):
        return Feature(name="metrics", lifespan=lifespan, supervising=supervise)
    return Feature(
        name="metrics",
        lifespan=lifespan,
        supervising=supervise,
        outer_middleware=(Middleware(MetricsMiddleware),),
        root_routers=(build_router(settings.token),) if is_beside else (),
        extensions=(ProbePath(PATH),) if is_beside else (),
    )
