import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from app.infrastructure.serving.middleware import ServingMiddleware
from app.infrastructure.serving.stopping import Stopping

pytestmark = pytest.mark.anyio


class Retiring(Stopping):
    """Notes at which request it was told to."""

    def __init__(self) -> None:
        super().__init__(drain_seconds=0)
        self.retired = 0

    def retire(self) -> None:
        self.retired += 1


async def ask(stopping: Stopping, *, times: int = 1, max_requests: int = 0) -> str | None:
    """The last answer's `Connection`."""
    app = ServingMiddleware(PlainTextResponse("ok"), stopping=stopping, max_requests=max_requests)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        for _ in range(times):
            response = await client.get("/")
    found: str | None = response.headers.get("connection")
    return found


class TestConnections:
    async def test_are_kept(self) -> None:
        assert await ask(Stopping(drain_seconds=0)) is None

    async def test_are_closed_by_a_process_that_stops(self) -> None:
        stopping = Stopping(drain_seconds=0)
        stopping.is_draining = True

        assert await ask(stopping) == "close"


class TestReplacement:
    @pytest.mark.parametrize(("most", "retired"), [(0, 0), (3, 1), (2, 1), (4, 0)])
    async def test_is_asked_for_once(self, most: int, retired: int) -> None:
        stopping = Retiring()
        await ask(stopping, times=3, max_requests=most)

        assert stopping.retired == retired

    async def test_does_not_count_what_is_no_request(self) -> None:
        calls: list[str] = []

        async def app(scope: Scope, _: Receive, __: Send) -> None:
            calls.append(scope["type"])

        async def never(*_: object) -> None:
            raise AssertionError

        stopping = Retiring()
        middleware = ServingMiddleware(app, stopping=stopping, max_requests=1)
        await middleware({"type": "websocket"}, never, never)  # type: ignore[arg-type]

        assert (calls, stopping.retired) == (["websocket"], 0)
