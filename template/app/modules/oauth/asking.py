import asyncio
import json
import ssl
from functools import cache
from typing import Any, NamedTuple

import structlog
from httpx2 import AsyncClient, HTTPError, InvalidURL, Limits, Timeout, create_ssl_context

from .errors import ProviderUnavailableError

logger = structlog.get_logger()

# Keys and addresses are a few kilobytes; what is larger is not the answer to our question.
_LARGEST_BYTES = 256 * 1024
# Logins are seldom and short: more connections to providers would wait for them anyway.
_CONNECTIONS = 20


@cache
def _tls_context() -> ssl.SSLContext:
    """One for the process: reading the machine's authorities takes 20 ms and some MB."""
    return create_ssl_context()


class Answer(NamedTuple):
    status: int
    body: Any


class Asking:
    """Asks providers for JSON, on connections that are kept.

    An answer that is late, too large, elsewhere or no JSON is a `ProviderUnavailableError`. Neither
    tokens nor what a provider says are logged.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = AsyncClient(
            verify=_tls_context(),
            timeout=Timeout(timeout_seconds),
            follow_redirects=False,
            limits=Limits(max_connections=_CONNECTIONS),
            # Uncompressed, so that the limit is one of what arrives.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def get(self, url: str, *, token: str | None = None) -> Any:  # noqa: ANN401 (JSON)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = await self._ask("GET", url, headers=headers)
        if answer.status != 200:  # noqa: PLR2004
            raise self.failed(url, f"status {answer.status}")
        return answer.body

    async def post(
        self, url: str, data: dict[str, str], *, auth: tuple[str, str] | None = None
    ) -> Answer:
        return await self._ask("POST", url, data=data, auth=auth)

    def failed(self, url: str, reason: str) -> ProviderUnavailableError:
        """The error to raise; the log says what was wrong with the answer."""
        logger.warning("a provider failed", url=url, reason=reason)
        return ProviderUnavailableError()

    async def _ask(self, method: str, url: str, **options: Any) -> Answer:  # noqa: ANN401 (httpx's)
        content = bytearray()
        try:
            # For the whole answer: one that comes byte by byte never runs into the client's own.
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client.stream(method, url, **options) as response,
            ):
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > _LARGEST_BYTES:
                        raise self.failed(url, "too large")
            return Answer(response.status_code, json.loads(content))
        except (HTTPError, InvalidURL, TimeoutError, ValueError, RecursionError) as exc:
            raise self.failed(url, type(exc).__name__) from None
