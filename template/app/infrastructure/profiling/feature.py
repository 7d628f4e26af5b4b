from starlette.middleware import Middleware

from app.core.feature import Feature
from app.core.settings import Environment

from .middleware import ProfilingMiddleware
from .settings import ProfilingSettings


def feature(settings: ProfilingSettings, *, environment: Environment) -> Feature:
    """List it late: what its middleware is inside of is not in the profile."""
    if not settings.is_on(environment):
        return Feature(name="profiling")
    return Feature(name="profiling", middleware=(Middleware(ProfilingMiddleware),))
