from typing import Annotated

from pydantic import Field

from app.core.settings import CommaSeparated, SettingsGroup


class CorsSettings(SettingsGroup):
    """Which browser applications on other origins may call this service (`CORS_*`)."""

    origins: CommaSeparated = ()
    """For example `https://app.example.com`; `*` allows any origin, without credentials."""
    allow_credentials: bool = False
    """Whether browsers may send cookies."""

    def refusals(self) -> list[str]:
        if "*" in self.origins and self.allow_credentials:
            message = (
                "CORS_ORIGINS=* with CORS_ALLOW_CREDENTIALS=true lets any site act for a user who "
                "is logged in: name the origins."
            )
            return [message]
        return []


class TrustedSettings(SettingsGroup):
    """Who is believed (`TRUSTED_*`)."""

    hosts: CommaSeparated = ("*",)
    """Host names the service answers for, such as `api.example.com` or `*.example.com`."""


class RequestSettings(SettingsGroup):
    """What a request may be (`REQUEST_*`)."""

    max_body_bytes: Annotated[int, Field(ge=1024)] = 1024 * 1024
    """1 MiB: JSON bodies are a few kB; raise it where files are uploaded."""
    timeout_seconds: Annotated[float, Field(ge=0)] = 20
    """Until the answer begins, and between two pieces of a body; then 503 or 408. Below the 30
    seconds after which load balancers give up, and as long as a stopping process waits for what is
    open. 0: no limit."""


class SecuritySettings(SettingsGroup):
    """What browsers are told (`SECURITY_*`)."""

    hsts_seconds: Annotated[int, Field(ge=0)] = 31_536_000
    """How long browsers must insist on HTTPS: one year, sent over HTTPS only; 0 turns it off."""
