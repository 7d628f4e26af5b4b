"""Requests and answers of an HTTP API of Amazon API Gateway, payload format 2.0, as ASGI."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Message, Scope

logger = structlog.get_logger()

Event = Mapping[str, Any]

# AWS allows 6 MB for an answer and what is around it.
_MOST_BYTES = 6 * 1024 * 1024 - 64 * 1024
# What a character may become in JSON: `\u0000`.
_MOST_ESCAPED = 6
_OF_THE_BODY = frozenset({"content-encoding", "content-length", "content-type", "etag"})


async def answer(
    app: ASGIApp, event: Event, *, state: Mapping[str, Any], request_id: str
) -> dict[str, Any]:
    """What the gateway is to answer. Returns when the application is done, background tasks too.

    Raises `ValueError` where the event is something else.
    """
    if event.get("version") != "2.0":
        raise ValueError("not a request of an HTTP API with payload format 2.0")
    body = _body_of(event)
    exchange = _Exchange(b64decode(body) if event.get("isBase64Encoded") else body.encode())
    try:
        await app(_scope_of(event, state, request_id), exchange.receive, exchange.send)
    except Exception:
        # Nothing has left yet: rather a refusal of the gateway than half an answer.
        if not exchange.is_over.is_set():
            raise
        logger.exception("failed after its answer")
    return _result(exchange)


def _body_of(event: Event) -> str:
    # Absent or null where there is none.
    return str(event.get("body") or "")


def _scope_of(event: Event, state: Mapping[str, Any], request_id: str) -> Scope:
    context = event["requestContext"]
    http, stage = context["http"], context["stage"]
    # Decoded by the gateway, as ASGI wants it.
    path: str = event["rawPath"]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": http["protocol"].removeprefix("HTTP/"),
        "method": http["method"],
        # It speaks nothing else.
        "scheme": "https",
        "path": path,
        "raw_path": quote(path).encode(),
        "query_string": event["rawQueryString"].encode(),
        # Stages but the default one are a part of the path.
        "root_path": "" if stage == "$default" else f"/{stage}",
        "headers": _headers_of(event, request_id),
        # Whom the gateway sees; a header would say what the client likes. The port is not known.
        "client": (http["sourceIp"], 0),
        "server": (context["domainName"], 443),
        "state": dict(state),
    }


def _headers_of(event: Event, request_id: str) -> list[tuple[bytes, bytes]]:
    # Later ones win: the id under which AWS logs, unless the client has named one.
    given: Mapping[str, str] = {"x-request-id": request_id, **event["headers"]}
    headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
    if cookies := event.get("cookies"):
        headers.append((b"cookie", "; ".join(cookies).encode()))
    return headers


class _Exchange:
    """One request, and the answer as far as it has come."""

    def __init__(self, body: bytes) -> None:
        self._incoming: Message | None = {"type": "http.request", "body": body}
        self.is_over = asyncio.Event()
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()

    async def receive(self) -> Message:
        if (message := self._incoming) is not None:
            self._incoming = None
            return message
        # The gateway does not tell of clients that hang up.
        await self.is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1"))
                for name, value in message.get("headers", ())
            ]
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                self.is_over.set()


def _result(exchange: _Exchange) -> dict[str, Any]:
    headers: dict[str, str] = {}
    for name, value in exchange.headers:
        if name != "set-cookie":
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    result: dict[str, Any] = {
        "statusCode": exchange.status,
        "headers": headers,
        "cookies": [value for name, value in exchange.headers if name == "set-cookie"],
    }
    try:
        result |= {"body": exchange.body.decode(), "isBase64Encoded": False}
    except UnicodeDecodeError:
        result |= {"body": b64encode(exchange.body).decode(), "isBase64Encoded": True}
    return result if _fits(result["body"]) else _too_large(headers)


def _fits(body: str) -> bool:
    return len(body) * _MOST_ESCAPED <= _MOST_BYTES or len(json.dumps(body)) <= _MOST_BYTES


def _too_large(headers: Mapping[str, str]) -> dict[str, Any]:
    """In its place: AWS would end the container."""
    logger.error("the answer is larger than AWS Lambda lets through")
    problem = {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "The answer is larger than can be sent.",
    }
    kept = {name: value for name, value in headers.items() if name not in _OF_THE_BODY}
    return {
        "statusCode": 500,
        "headers": {**kept, "content-type": "application/problem+json"},
        "body": json.dumps(problem),
        "isBase64Encoded": False,
    }
