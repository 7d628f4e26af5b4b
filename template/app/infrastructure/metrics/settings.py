from typing import Annotated

from pydantic import Field, SecretStr

from app.core.feature import Process
from app.core.settings import SettingsGroup

_SHORTEST_TOKEN = 16

Port = Annotated[int, Field(ge=1, le=65535)]


class MetricsSettings(SettingsGroup):
    """Who may read the metrics, and where (`METRICS_*`)."""

    token: SecretStr | None = None
    """What Prometheus sends as `Authorization: Bearer`; without one `/metrics` is served in
    development only. At least 16 characters where deployed."""
    address: str = "127.0.0.1"
    """Of the listeners; `0.0.0.0` where Prometheus comes from another machine."""
    port: Port | None = None
    """A listener of the service for metrics alone, in place of `/metrics` beside the API: for a
    network that only Prometheus reaches. With a token it asks for that as well."""
    worker_port: Port | None = None
    """The same of a process that works in the background. Unset: its numbers are not collected."""

    def port_of(self, process: Process) -> int | None:
        return self.port if process is Process.SERVICE else self.worker_port

    def is_read(self, process: Process, *, deployed: bool) -> bool:
        """Whether anybody could read the numbers of such a process."""
        if process is Process.SERVICE:
            return not deployed or self.token is not None or self.port is not None
        return process is Process.WORKER and self.worker_port is not None

    def refusals(self) -> list[str]:
        if self.token and len(self.token.get_secret_value()) < _SHORTEST_TOKEN:
            message = (
                f"METRICS_TOKEN must have at least {_SHORTEST_TOKEN} characters: "
                "`openssl rand -hex 32` makes one."
            )
            return [message]
        return []
