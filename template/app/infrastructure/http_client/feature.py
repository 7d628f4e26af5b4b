import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State
from app.core.operations import Operations

from .clients import HttpClients, tls_context
from .measures import UpstreamMeasures
from .settings import HttpClientSettings


def feature(settings: HttpClientSettings, *, title: str) -> Feature:
    """Without a readiness check: another service that is down must not take this one out."""

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        clients = HttpClients(
            settings,
            user_agent=user_agent(title),
            tls=tls_context(settings.ca_file),
            operations=Operations(state["extensions"]),
        )
        try:
            yield {"http_clients": clients}
        finally:
            await clients.aclose()

    return Feature(name="http_client", lifespan=lifespan, extensions=(UpstreamMeasures(),))


def user_agent(title: str) -> str:
    """The service's name as one word of a `User-Agent` (RFC 9110 section 10.1.5)."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", title).strip("-") or "service"
