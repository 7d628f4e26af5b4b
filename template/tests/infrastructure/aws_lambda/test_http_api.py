from base64 import b64decode, b64encode
from collections.abc import Callable
from json import loads
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.infrastructure.aws_lambda.http_api import Event, answer

from .events import request

pytestmark = pytest.mark.anyio

ID = "8f507cfc-xmpl-4697-b07a-ac58fc914c95"


async def ask(
    respond: Callable[[Request], Response], event: Event, **state: object
) -> dict[str, Any]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen = Request(scope, receive)
        # Read before, so that `respond` need not wait.
        await seen.body()
        await respond(seen)(scope, receive, send)

    return await answer(app, event, state=state, request_id=ID)


async def seen(event: Event, **state: object) -> Request:
    requests: list[Request] = []

    def respond(it: Request) -> Response:
        requests.append(it)
        return Response()

    await ask(respond, event, **state)
    return requests[0]


class TestRequest:
    async def test_has_what_the_gateway_says(self) -> None:
        it = await seen(
            request("GET", "/a", rawQueryString="page=2&tag=a%26b&tag=c"), kettle="full"
        )

        assert (it.method, it.url.path, it.scope["root_path"]) == ("GET", "/a", "")
        assert str(it.url) == "https://api.example.com/a?page=2&tag=a%26b&tag=c"
        assert it.query_params.getlist("tag") == ["a&b", "c"]
        assert it.headers["user-agent"] == "curl/8.5.0"
        assert it.scope["http_version"] == "1.1"
        assert it.state.kettle == "full"

    async def test_has_a_path_that_was_decoded_once(self) -> None:
        it = await seen(request("GET", "/files/50%25 ü"))

        assert it.scope["path"] == "/files/50%25 ü"
        assert it.scope["raw_path"] == b"/files/50%2525%20%C3%BC"

    async def test_knows_its_stage(self) -> None:
        event = request("GET", "/beta/a")
        event["requestContext"]["stage"] = "beta"

        assert (await seen(event)).scope["root_path"] == "/beta"

    async def test_comes_from_whom_the_gateway_has_seen(self) -> None:
        event = request("GET", "/")
        event["headers"]["x-forwarded-for"] = "198.51.100.1, 203.0.113.7"

        assert (await seen(event)).client == ("203.0.113.7", 0)

    async def test_has_the_id_under_which_aws_logs(self) -> None:
        assert (await seen(request("GET", "/"))).headers["x-request-id"] == ID

    async def test_keeps_the_id_of_the_client(self) -> None:
        event = request("GET", "/")
        event["headers"]["x-request-id"] = "of-the-client"

        assert (await seen(event)).headers.getlist("x-request-id") == ["of-the-client"]

    async def test_has_all_cookies(self) -> None:
        it = await seen(request("GET", "/", cookies=["a=1", "b=2"]))

        assert it.cookies == {"a": "1", "b": "2"}

    @pytest.mark.parametrize(
        ("members", "body"),
        [
            ({"body": "ü"}, "ü".encode()),
            ({"body": b64encode(b"\xff\x00").decode(), "isBase64Encoded": True}, b"\xff\x00"),
            ({"body": None}, b""),
            ({}, b""),
        ],
    )
    async def test_has_its_body(self, members: dict[str, Any], body: bytes) -> None:
        it = await seen(request("POST", "/", **members))

        assert await it.body() == body

    async def test_is_no_other_event(self) -> None:
        with pytest.raises(ValueError, match="payload format 2"):
            await seen({"detail-type": "Scheduled Event", "version": "0"})


class TestAnswer:
    async def test_is_text_where_it_can_be(self) -> None:
        result = await ask(lambda _: JSONResponse({"ü": 1}, 201), request("GET", "/"))

        assert result == {
            "statusCode": 201,
            "headers": {"content-length": "8", "content-type": "application/json"},
            "cookies": [],
            "body": '{"ü":1}',
            "isBase64Encoded": False,
        }

    async def test_is_encoded_where_it_is_no_text(self) -> None:
        result = await ask(lambda _: Response(b"\xff\x00"), request("GET", "/"))

        assert (b64decode(result["body"]), result["isBase64Encoded"]) == (b"\xff\x00", True)

    async def test_has_each_cookie_and_each_value(self) -> None:
        def respond(_: Request) -> Response:
            response = PlainTextResponse("")
            response.set_cookie("a", "1")
            response.set_cookie("b", "2")
            response.headers.append("vary", "Origin")
            response.headers.append("vary", "Cookie")
            return response

        result = await ask(respond, request("GET", "/"))

        assert [it.split(";")[0] for it in result["cookies"]] == ["a=1", "b=2"]
        assert result["headers"]["vary"] == "Origin, Cookie"
        assert "set-cookie" not in result["headers"]

    async def test_is_whole_where_it_is_streamed(self) -> None:
        async def pieces() -> Any:  # noqa: ANN401
            yield "a"
            yield "b"

        result = await ask(lambda _: StreamingResponse(pieces()), request("GET", "/"))

        assert result["body"] == "ab"

    async def test_comes_when_nothing_is_left_to_do(self) -> None:
        done: list[str] = []

        def respond(_: Request) -> Response:
            return PlainTextResponse("", background=BackgroundTask(done.append, "mail"))

        await ask(respond, request("GET", "/"))

        assert done == ["mail"]

    async def test_of_more_than_aws_lets_through_is_an_error(self) -> None:
        def respond(_: Request) -> Response:
            headers = {"x-request-id": "12345678", "content-encoding": "gzip"}
            return Response(b"a" * 6_300_000, headers=headers)

        result = await ask(respond, request("GET", "/"))

        assert (result["statusCode"], loads(result["body"])["status"]) == (500, 500)
        assert result["headers"] == {
            "x-request-id": "12345678",
            "content-type": "application/problem+json",
        }

    async def test_of_nearly_as_much_is_sent(self) -> None:
        result = await ask(lambda _: Response(b"a" * 6_000_000), request("GET", "/"))

        assert len(result["body"]) == 6_000_000


class TestFailure:
    @pytest.fixture
    def failing(self) -> ASGIApp:
        async def stream() -> Any:  # noqa: ANN401
            yield "half"
            raise LookupError

        async def respond(_: Request) -> Response:
            return StreamingResponse(stream())

        def fail() -> None:
            raise LookupError

        async def late(_: Request) -> Response:
            return PlainTextResponse("whole", background=BackgroundTask(fail))

        app = Starlette()
        app.add_route("/half", respond)
        app.add_route("/late", late)
        return app

    async def test_within_the_answer_leaves_none(self, failing: ASGIApp) -> None:
        with pytest.raises(LookupError):
            await answer(failing, request("GET", "/half"), state={}, request_id=ID)

    async def test_after_the_answer_is_logged(
        self, failing: ASGIApp, capsys: pytest.CaptureFixture[str]
    ) -> None:
        result = await answer(failing, request("GET", "/late"), state={}, request_id=ID)

        assert result["body"] == "whole"
        assert "failed after its answer" in capsys.readouterr().out
