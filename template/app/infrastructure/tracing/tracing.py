"""What the feature is where there is a collector; nothing else imports the library."""

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from starlette.middleware import Middleware

from app.core.feature import Feature, State
from app.core.routing import ProbePath
from app.core.settings import Environment
from app.infrastructure.logging.watching import watching

from .export import Outlet
from .middleware import NamingMiddleware
from .observer import SpanObserver
from .sampling import RequestSampler
from .settings import OtelSettings

# Of each attribute: a longer statement is cut off.
_MAX_LENGTH = 2000


def tracing(
    settings: OtelSettings, address: str, *, environment: Environment, title: str, version: str
) -> Feature:
    outlet, exclusion = Outlet(), _Exclusion()
    # Ours alone, not that of the process: nothing is left of it when the feature is closed.
    provider = TracerProvider(
        sampler=RequestSampler(
            settings.ratio(environment), follows_callers=settings.follows_callers
        ),
        resource=_resource(settings, environment=environment, title=title, version=version),
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_span_attribute_length=_MAX_LENGTH),
    )
    provider.add_span_processor(outlet)
    observer = SpanObserver(provider.get_tracer("app", version))
    telemetry: TelemetryConfig = {
        "tracer_provider": provider,
        # Dependencies, functions and serialisation would double what a request costs.
        "operation_spans": False,
        "metrics": False,
        "logs": False,
        "auto_configure": False,
        "exclude": exclusion,
    }

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        exclusion.probes = tuple(it.prefix for it in state["extensions"].of(ProbePath))
        async with outlet.opened(address, settings.headers):
            with watching(observer.show):
                yield {}

    async def settle(_: State) -> None:
        await outlet.flush()

    return Feature(
        name="tracing",
        lifespan=lifespan,
        settle=settle,
        extensions=(observer,),
        middleware=(Middleware(NamingMiddleware),),
        app_options={"telemetry": telemetry},
    )


def _resource(
    settings: OtelSettings, *, environment: Environment, title: str, version: str
) -> Resource:
    attributes = {
        "service.name": title,
        "service.version": version,
        "deployment.environment.name": environment.value,
    }
    return Resource.create({**attributes, **settings.attributes})


class _Exclusion:
    """Probes come every few seconds, and a connection that is open for hours is no request."""

    def __init__(self) -> None:
        self.probes: tuple[str, ...] = ()

    def __call__(self, scope: MutableMapping[str, Any]) -> bool:
        path: str = scope["path"]
        return scope["type"] != "http" or path.startswith(self.probes)
