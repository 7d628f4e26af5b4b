import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from httpx2 import AsyncClient, Headers, HTTPError, InvalidURL, Response, TimeoutException

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

    def __init__(self, client: AsyncClient, *, max_redirects: int, deadline_seconds: float) -> None:
        self._client = client
        self._max_redirects = max_redirects
        self._deadline_seconds = deadline_seconds

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Follows redirects; another host does not get the `headers`."""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._follow(url, headers)
        except TimeoutError:
            raise UpstreamTimeoutError from None

    async def post(
        self, url: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Follows no redirect: the next address would get the content, or a GET without it."""
        return _answer(await self._send("POST", url, headers, content))

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
    ) -> Response:
        try:
            return await self._client.request(method, url, headers=headers, content=content)
        except InvalidURL:
            raise AddressRefusedError from None
        except TimeoutException:
            raise UpstreamTimeoutError from None
        except HTTPError:
            raise UpstreamFailedError from None


def _answer(response: Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)
