from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.bootstrap.factory import create_app
from app.bootstrap.problems import ProblemMiddleware
from tests.bootstrap.kettle import FEATURE, TooOftenError
from tests.support import FixedSettings

pytestmark = pytest.mark.anyio


class Exchange:
    """One request to the bare ASGI application, and what it sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.sent: list[MutableMapping[str, Any]] = []

    async def run(self, **scope: object) -> None:
        await self.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await anyio.sleep_forever()  # the client sends nothing more, and stays
        raise AssertionError

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


class TestErrorAfterTheStartOfTheResponse:
    async def test_reaches_the_server_which_breaks_the_connection_off(self) -> None:
        app: FastAPI = create_app(FixedSettings(environment="test"), [FEATURE])
        exchange = Exchange(app)

        with capture_logs() as lines, pytest.raises(ZeroDivisionError):
            await exchange.run(
                type="http",
                method="GET",
                scheme="http",
                path="/api/v1/stream",
                raw_path=b"/api/v1/stream",
                query_string=b"",
                headers=[],
            )

        assert [message["type"] for message in exchange.sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert exchange.sent[0]["status"] == 200
        assert exchange.sent[1] == {
            "type": "http.response.body",
            "body": b"one\n",
            "more_body": True,
        }
        assert [line["event"] for line in lines] == ["request"]


class TestProblemMiddleware:
    async def test_passes_what_is_not_http_on(self) -> None:
        async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "websocket.close"})

        exchange = Exchange(ProblemMiddleware(application))
        await exchange.run(type="websocket")

        assert exchange.sent == [{"type": "websocket.close"}]

    async def test_does_not_answer_what_is_not_http(self) -> None:
        async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise ZeroDivisionError

        exchange = Exchange(ProblemMiddleware(broken))
        with pytest.raises(ZeroDivisionError):
            await exchange.run(type="websocket")

        assert exchange.sent == []

    @pytest.mark.parametrize(
        ("error", "status"),
        [(TooOftenError("Wait.", retry_after_seconds=3), 429), (HTTPException(400), 400)],
    )
    async def test_refuses_a_handshake_with_what_middleware_raises(
        self, error: Exception, status: int
    ) -> None:
        async def refusing(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise error

        exchange = Exchange(ProblemMiddleware(refusing))
        await exchange.run(
            type="websocket",
            path="/talk",
            headers=[],
            state={"request_id": "request-0001"},
            extensions={"websocket.http.response": {}},
        )

        assert exchange.sent[0]["type"] == "websocket.http.response.start"
        assert exchange.sent[0]["status"] == status
