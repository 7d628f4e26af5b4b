import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from app.core.feature import Feature, State
from app.core.late import Late
from app.core.operations import Operations

from .measures import UpstreamMeasures
from .settings import HttpClientSettings

if TYPE_CHECKING:
    from .clients import HttpClients


def feature(settings: HttpClientSettings, *, title: str) -> Feature:
    """Without a readiness check: another service that is down must not take this one out."""

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        async with AsyncExitStack() as stack:

            def make() -> "HttpClients":
                from .clients import HttpClients, tls_context  # noqa: PLC0415 (late)

                clients = HttpClients(
                    settings,
                    user_agent=user_agent(title),
                    tls=tls_context(settings.ca_file),
                    operations=Operations(state["extensions"]),
                )
                stack.push_async_callback(clients.aclose)
                return clients

            late = Late(make)
            if settings.ca_file is not None:
                # What is wrong with it should be known now.
                late()
            yield {"http_clients": late}

    return Feature(name="http_client", lifespan=lifespan, extensions=(UpstreamMeasures(),))


def user_agent(title: str) -> str:
    """The service's name as one word of a `User-Agent` (RFC 9110 section 10.1.5)."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", title).strip("-") or "service"
