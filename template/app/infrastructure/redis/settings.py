from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from app.core.settings import SettingsGroup


def _is_understood(value: SecretStr) -> SecretStr:
    if urlsplit(value.get_secret_value()).scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(_is_understood)]
"""`redis://user:password@host:6379/0`, `rediss://` with TLS, or `unix:///path?db=0`."""


class RedisSettings(SettingsGroup):
    """Read from `REDIS_*`."""

    url: RedisUrl | None = None
    """Unset: each process keeps in its memory what belongs there, not where deployed."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=40)] = "app"
    """What all keys begin with."""
    timeout_seconds: Annotated[float, Field(gt=0)] = 1
    """For connecting, and for each answer. A Redis in the same network answers within
    milliseconds; a request that can do without does not wait for longer than this."""
    max_connections: Annotated[int, Field(ge=1)] = 50
    """Of each process, to each server. A command holds a connection for less than a millisecond,
    so these carry more than one process can ask for; a server allows 10000."""
    tls_ca_file: Path | None = None
    """Who issued the server's certificate; unset: the authorities that the machine trusts."""
    tls_verify: bool = True
    """False where the provider signs its certificates itself: encrypted, but to whoever answers."""

    @model_validator(mode="before")
    @classmethod
    def _without_second_address(cls, values: Any) -> Any:  # noqa: ANN401
        """Platforms that set REDIS_TLS_URL beside REDIS_URL let nobody unset it."""
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if name != "tls_url"}
        return values

    @property
    def tls_options(self) -> dict[str, Any]:
        """Of a `redis.asyncio` connection to a `rediss://` address."""
        options: dict[str, Any] = {}
        if self.tls_ca_file is not None:
            options["ssl_ca_certs"] = str(self.tls_ca_file)
        if not self.tls_verify:
            options |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
        return options

    def refusals(self) -> list[str]:
        if self.url is not None:
            return []
        refusal = (
            "REDIS_URL must name a Redis server, for example rediss://:password@host:6379/0: "
            "the memory of a process is for development and tests."
        )
        return [refusal]
