import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypedDict, TypeVar, Unpack, cast
from urllib.parse import quote, urlsplit

import structlog
from httpx2 import AsyncClient, Headers, HTTPError, PoolTimeout, Response, TimeoutException
from pydantic import TypeAdapter, ValidationError

from .circuit import Circuit, UpstreamCounters
from .errors import (
    UpstreamError,
    UpstreamFailedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from .guarded import Answer
from .retry import Backoff, RetryBudget, retry_after_seconds
from .settings import HttpClientSettings
from .transport import UnwantedAnswerError

logger = structlog.get_logger()

Model = TypeVar("Model")

# RFC 9110 section 9.2.2: asking twice is asking once.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_TEMPORARY = frozenset({500, 502, 503, 504})
# Of what we pass on; nobody plans for longer.
_MAX_RETRY_AFTER_SECONDS = 3600


class RequestOptions(TypedDict, total=False):
    values: Mapping[str, str]
    """They fill the path, quoted, so that they lead nowhere else."""
    params: Mapping[str, str | int | float | bool]
    json: object
    headers: Mapping[str, str]
    is_idempotent: bool
    """True: repeating this POST or PATCH does no harm, because the upstream recognises it by one of
    the `headers`. False: never repeat it."""


class Upstream:
    """One service that this one asks.

    What goes wrong with it is an `UpstreamError`: a route lists them with
    `raises(*UPSTREAM_ERRORS)`. A failed request is repeated if that cannot do a second thing, and
    as long as budget and deadline last.
    """

    def __init__(  # noqa: PLR0913 (two of them are for tests)
        self,
        name: str,
        base_url: str,
        client: AsyncClient,
        settings: HttpClientSettings,
        *,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`headers` go with every request; the service's key belongs there, not into a query."""
        parts = urlsplit(base_url)
        is_base = parts.scheme in {"http", "https"} and parts.hostname and not parts.username
        if not is_base or parts.query or parts.fragment:
            raise ValueError(f"the base of {name} must be such as https://api.example.com/v1")
        self.name = name
        self.counters = UpstreamCounters()
        self._base = base_url.rstrip("/")
        self._client = client
        self._headers = Headers(headers)
        self._settings = settings
        self._sleep = sleep
        self._circuit = Circuit(name, settings, self.counters)
        self._budget = RetryBudget(ratio=settings.retry_ratio, reserve=settings.retry_reserve)
        self._backoff = Backoff(settings, uniform)

    async def get(
        self, path: str, *, model: type[Model], **options: Unpack[RequestOptions]
    ) -> Model:
        """An answer that is no `model` is an `UpstreamFailedError`."""
        return self._parsed(await self.send("GET", path, **options), model)

    async def post(
        self, path: str, *, model: type[Model], **options: Unpack[RequestOptions]
    ) -> Model:
        return self._parsed(await self.send("POST", path, **options), model)

    async def put(
        self, path: str, *, model: type[Model], **options: Unpack[RequestOptions]
    ) -> Model:
        return self._parsed(await self.send("PUT", path, **options), model)

    async def patch(
        self, path: str, *, model: type[Model], **options: Unpack[RequestOptions]
    ) -> Model:
        return self._parsed(await self.send("PATCH", path, **options), model)

    async def delete(self, path: str, **options: Unpack[RequestOptions]) -> None:
        await self.send("DELETE", path, **options)

    async def send(self, method: str, path: str, **options: Unpack[RequestOptions]) -> Answer:
        """The answer, if its status is 2xx.

        `path` is below the base, such as `cities/{city}`.
        """
        url = self._url(path, options.get("values", {}))
        may_repeat = options.get("is_idempotent", method in _IDEMPOTENT)
        headers = Headers(self._headers)
        headers.update(options.get("headers", {}))
        request = {
            "params": options.get("params"),
            "json": options.get("json"),
            "headers": headers,
        }
        self.counters.requests += 1
        self._budget.earn()
        try:
            return await self._persist(method, url, request, may_repeat=may_repeat)
        except UpstreamError as error:
            self.counters.failures += 1
            logger.warning(
                "upstream failed", upstream=self.name, error=error.code, status=error.status
            )
            raise

    async def _persist(
        self, method: str, url: str, request: dict[str, Any], *, may_repeat: bool
    ) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.deadline_seconds
        attempt = 1
        while True:
            try:
                return await self._attempt(method, url, request, deadline - loop.time())
            except UpstreamError as error:
                delay = self._backoff.seconds(attempt, error.wait_seconds)
                is_last = attempt == self._settings.attempts or not error.is_temporary
                if is_last or not may_repeat or delay is None:
                    raise
                if loop.time() + delay >= deadline or not self._budget.spend():
                    raise
            attempt += 1
            self.counters.retries += 1
            await self._sleep(delay)

    async def _attempt(
        self, method: str, url: str, request: dict[str, Any], seconds: float
    ) -> Answer:
        async with self._circuit.attempt():
            try:
                response = await self._client.request(
                    method, url, extensions={"deadline_seconds": seconds}, **request
                )
            except PoolTimeout:
                # Our own connections are in use; that says nothing about this upstream.
                raise UpstreamUnavailableError(retry_after_seconds=1) from None
            except TimeoutException:
                raise UpstreamTimeoutError from None
            except UnwantedAnswerError:
                raise UpstreamFailedError from None
            except HTTPError:
                raise UpstreamFailedError(is_outage=True, is_temporary=True) from None
            return _accepted(response)

    def _url(self, path: str, values: Mapping[str, str]) -> str:
        if not {"", ".", ".."}.isdisjoint(values.values()):
            # Not a thing that the upstream could have, and another path if it were sent.
            raise UpstreamFailedError(status=HTTPStatus.NOT_FOUND)
        quoted = {name: quote(value, safe="") for name, value in values.items()}
        return f"{self._base}/{path.lstrip('/').format_map(quoted)}"

    def _parsed(self, answer: Answer, model: type[Model]) -> Model:
        try:
            parsed: Model = _adapter(cast("Hashable", model)).validate_json(answer.content)
        except ValidationError as exc:
            # Neither what it said nor the names of its fields.
            kinds = sorted({error["type"] for error in exc.errors(include_input=False)})
            logger.warning("an upstream's answer is not valid", upstream=self.name, kinds=kinds)
            self.counters.failures += 1
            raise UpstreamFailedError(status=answer.status) from None
        return parsed


def _accepted(response: Response) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(status, response.headers, response.content)
    asked = retry_after_seconds(response.headers.get("retry-after"))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = min(max(1, asked), _MAX_RETRY_AFTER_SECONDS)
        raise UpstreamUnavailableError(retry_after_seconds=seconds, status=status)
    raise UpstreamFailedError(
        status=status,
        is_outage=response.is_server_error,
        is_temporary=status in _TEMPORARY,
        wait_seconds=asked,
    )


@lru_cache(maxsize=256)
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type[Any]", model))
