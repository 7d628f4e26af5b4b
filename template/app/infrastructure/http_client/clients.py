import ssl
from collections.abc import Mapping
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import cast

from httpx2 import (
    AsyncBaseTransport,
    AsyncClient,
    AsyncHTTPTransport,
    Limits,
    Timeout,
    create_ssl_context,
)

from app.core.feature import State
from app.core.late import Late
from app.core.operations import Operations

from .circuit import UpstreamCounters
from .guard import GuardTransport, Resolve, SystemResolver
from .guarded import GuardedClient
from .settings import HttpClientSettings
from .transport import BoundedTransport
from .upstream import Upstream


class HttpClients:
    """The outgoing HTTP of this process."""

    def __init__(
        self,
        settings: HttpClientSettings,
        *,
        user_agent: str,
        tls: ssl.SSLContext,
        resolve: Resolve | None = None,
        operations: Operations | None = None,
    ) -> None:
        self._settings = settings
        self._operations = operations
        self._user_agent = user_agent
        self._resolver = SystemResolver()
        self._upstreams: dict[str, Upstream] = {}
        proxy = None if settings.proxy_url is None else settings.proxy_url.get_secret_value()
        kept = AsyncHTTPTransport(tls, limits=self._limits(), proxy=proxy)
        # Always direct: a proxy would resolve the names again.
        direct = AsyncHTTPTransport(tls, limits=self._limits(max_idle=0))
        self.pooled = self._client(kept, passes_context=True)
        """For requests to addresses of our own choice; `upstream` is for more than one of them."""
        guard = GuardTransport(direct, settings, resolve or self._resolver)
        self._direct = self._client(guard, passes_context=False)
        self.guarded = GuardedClient(
            self._direct,
            guard.addresses,
            max_redirects=settings.max_redirects,
            deadline_seconds=settings.deadline_seconds,
        )

    def upstream(
        self, name: str, base_url: str, *, headers: Mapping[str, str] | None = None
    ) -> Upstream:
        """One for each service, made once, in the lifespan of the feature that asks it."""
        if name in self._upstreams:
            raise ValueError(f"there is an upstream {name} already")
        made = Upstream(name, base_url, self.pooled, self._settings, headers=headers)
        self._upstreams[name] = made
        return made

    @property
    def counters(self) -> Mapping[str, UpstreamCounters]:
        """Of each upstream, by its name."""
        return {name: upstream.counters for name, upstream in self._upstreams.items()}

    async def aclose(self) -> None:
        await self.pooled.aclose()
        await self._direct.aclose()
        self._resolver.close()

    def _limits(self, max_idle: int | None = None) -> Limits:
        return Limits(
            max_connections=self._settings.max_connections,
            max_keepalive_connections=(
                self._settings.max_idle_connections if max_idle is None else max_idle
            ),
            keepalive_expiry=self._settings.idle_seconds,
        )

    def _client(self, transport: AsyncBaseTransport, *, passes_context: bool) -> AsyncClient:
        settings = self._settings
        return AsyncClient(
            transport=BoundedTransport(
                transport,
                deadline_seconds=settings.deadline_seconds,
                max_bytes=settings.max_answer_bytes,
                passes_context=passes_context,
                operations=self._operations,
            ),
            timeout=Timeout(
                connect=settings.connect_timeout_seconds,
                read=settings.read_timeout_seconds,
                write=settings.write_timeout_seconds,
                pool=settings.pool_timeout_seconds,
            ),
            # Uncompressed, so that the limit of size is one of what arrives.
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            # Requests for different people share this client, and must not share their cookies.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            follow_redirects=False,
            # Neither proxies nor certificates from variables that are there for other programs.
            trust_env=False,
        )


@cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """One for all connections: reading the machine's authorities takes 20 ms and some MB."""
    context = create_ssl_context(trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def http_clients_of(state: State) -> HttpClients:
    """Those of this process, made for who asks first."""
    return cast("Late[HttpClients]", state["http_clients"])()
