from collections.abc import Iterable

from app.core.feature import Feature
from app.core.routing import ProbePath

from .routes import build_router


def feature(others: Iterable[Feature], *, release: str = "unknown") -> Feature:
    """Listed last: it asks what `others` need to be ready. `release` is what runs."""
    checks = tuple(check for other in others for check in other.readiness)
    return Feature(
        name="health",
        root_routers=(build_router(checks, release),),
        extensions=(ProbePath("/health/"),),
    )
