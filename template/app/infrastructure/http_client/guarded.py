import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from httpx2 import (
    URL,
    AsyncClient,
    Headers,
    HTTPError,
    InvalidURL,
    Response,
    Timeout,
    TimeoutException,
)

from .errors import AddressRefusedError, UpstreamFailedError, UpstreamTimeoutError


class Answer(NamedTuple):
    status: int
    headers: Headers
    content: bytes


class GuardedClient:
    """Calls addresses that come from outside, such as a customer's own server.

    Raises `AddressRefusedError` for one that leads into our network, `UpstreamFailedError` and
    `UpstreamTimeoutError` for one that gives no answer. An answer of any status is returned.
    Nothing is tried twice.
    """

    def __init__(
        self,
        client: AsyncClient,
        look_up: Callable[[URL], Awaitable[object]],
        *,
        max_redirects: int,
        deadline_seconds: float,
    ) -> None:
        self._client = client
        self._look_up = look_up
        self._max_redirects = max_redirects
        self._deadline_seconds = deadline_seconds

    async def check(self, url: str) -> None:
        """Raise what a call would be refused with, before an address is kept; nothing is sent.

        It may lead elsewhere tomorrow, so each call is checked again.
        """
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._look_up(URL(url))
        except InvalidURL:
            raise AddressRefusedError from None
        except TimeoutError:
            raise UpstreamTimeoutError from None

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Follows redirects; another host does not get the `headers`."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._follow(url, headers)
        except TimeoutError:
            raise UpstreamTimeoutError from None

    async def post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        deadline_seconds: float | None = None,
    ) -> Answer:
        """Follows no redirect: the next address would get the content, or a GET without it.

        `deadline_seconds` is how long the answer may take, whatever the settings say.
        """
        return _answer(await self._send("POST", url, headers, content, deadline_seconds))

    async def _follow(self, url: str, headers: Mapping[str, str] | None) -> Answer:
        for _ in range(self._max_redirects + 1):
            response = await self._send("GET", url, headers)
            if not response.has_redirect_location:
                return _answer(response)
            if response.next_request is None:
                break
            target = response.next_request.url
            if target.origin != response.request.url.origin:
                headers = None
            url = str(target)
        raise UpstreamFailedError

    async def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        content: bytes | None = None,
        deadline_seconds: float | None = None,
    ) -> Response:
        options: dict[str, Any] = {}
        if deadline_seconds is not None:
            options["extensions"] = {"deadline_seconds": deadline_seconds}
            options["timeout"] = Timeout(
                deadline_seconds,
                connect=self._client.timeout.connect,
                pool=self._client.timeout.pool,
            )
        try:
            return await self._client.request(
                method, url, headers=headers, content=content, **options
            )
        except InvalidURL:
            raise AddressRefusedError from None
        except TimeoutException:
            raise UpstreamTimeoutError from None
        except HTTPError:
            raise UpstreamFailedError from None


def _answer(response: Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)
