from app.core.feature import Feature
from app.core.settings import Environment

from .settings import OtelSettings


def feature(
    settings: OtelSettings, *, environment: Environment, title: str, version: str
) -> Feature:
    """List it before what it follows: closed last, it sees the end of the others."""
    if (address := settings.address) is None:
        return Feature(name="tracing")
    # A tenth of a second, which only who traces pays.
    from .tracing import tracing  # noqa: PLC0415 (see above)

    return tracing(settings, address, environment=environment, title=title, version=version)
