from typing import Annotated, Self

from pydantic import Field, model_validator

from app.core.settings import Environment, SettingsGroup


class ServeSettings(SettingsGroup):
    """How processes that serve come to an end (`SERVE_*`)."""

    stop_seconds: Annotated[int, Field(ge=1)] = 25
    """From the signal on, until what is still open is cut: below the 30 seconds that platforms
    wait between SIGTERM and SIGKILL."""
    drain_seconds: Annotated[float, Field(ge=0)] | None = None
    """How much of that goes by before the port is closed, while `/health/ready` already says no:
    until load balancers have noticed. Unset: 5 where deployed, else 0."""
    keep_alive_seconds: Annotated[int, Field(ge=1)] = 75
    """How long an idle connection stays open: longer than the 60 seconds of load balancers and
    proxies, which must be the ones to close it. A request that meets a closing one is a 502."""
    max_requests: Annotated[int, Field(ge=0)] = 0
    """After which a worker process is replaced, which gives back what libraries leak: about, so
    that not all go at once. 0: never."""

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.drain_seconds is not None and self.drain_seconds >= self.stop_seconds:
            raise ValueError("SERVE_DRAIN_SECONDS must be less than SERVE_STOP_SECONDS")
        return self

    def drains_for(self, environment: Environment) -> float:
        if self.drain_seconds is not None:
            return self.drain_seconds
        return min(5.0, self.stop_seconds / 2) if environment.is_deployed else 0.0
