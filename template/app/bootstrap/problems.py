"""Every error answer of the service: one shape, whoever raised it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
    ValidationException,
)
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketState

from app.core.errors import DomainError
from app.core.extensions import Extensions
from app.core.problems import ProblemPresenter
from app.core.routing import route_path
from app.modules.common.problems import MEDIA_TYPE, status_of, type_of

logger = structlog.get_logger()

# RFC 6455 section 7.4.1: for what no other code of closing a WebSocket is meant for.
_POLICY_VIOLATION = 1008

_NOTHING = Extensions()


def _problem(
    request: Request,
    status: int,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,  # noqa: ANN401 (any JSON value may extend a problem)
) -> Response:
    phrase = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": phrase, "status": int(status), **members}
    body |= {"instance": request.url.path, "request_id": request.state.request_id}
    # The detail of a plain HTTP error often only repeats the title.
    if body.get("detail") in (None, body["title"], phrase):
        body.pop("detail", None)
    # Without the lifespan, as in a test of bare middleware, there are none.
    extensions: Extensions = getattr(request.state, "extensions", _NOTHING)
    for presenter in extensions.of(ProblemPresenter):
        if (response := presenter.present(request, body, headers)) is not None:
            return response
    return JSONResponse(body, status_code=int(status), headers=headers, media_type=MEDIA_TYPE)


def _domain_error(request: Request, exc: DomainError) -> Response:
    headers = dict(exc.headers)
    if exc.challenge is not None:
        headers["WWW-Authenticate"] = exc.challenge
    if exc.retry_after_seconds is not None:
        headers["Retry-After"] = str(exc.retry_after_seconds)
    return _problem(
        request,
        status_of(type(exc)),
        headers=headers,
        type=type_of(exc.code),
        title=exc.title,
        detail=exc.detail,
        **exc.extensions,
    )


def _invalid_request(request: Request, exc: RequestValidationError) -> Response:
    return _problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        type=type_of("request.invalid"),
        title="The request is not valid",
        errors=_without_input(exc),
    )


def _without_input(exc: ValidationException) -> list[dict[str, Any]]:
    # Nor `ctx`: for a missing field the input is the whole body, passwords included.
    return [{key: error[key] for key in ("loc", "msg", "type")} for error in exc.errors()]


def _response(request: Request, exc: Exception) -> Response:
    if isinstance(exc, DomainError):
        return _domain_error(request, exc)
    if isinstance(exc, RequestValidationError):
        return _invalid_request(request, exc)
    if isinstance(exc, HTTPException):
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _problem(request, exc.status_code, headers={"Allow": _allowed(request)})
        return _problem(request, exc.status_code, headers=exc.headers, detail=exc.detail)
    if isinstance(exc, ResponseValidationError):
        shown = ResponseValidationError(_without_input(exc), endpoint_ctx=exc.endpoint_ctx)
        exc = shown.with_traceback(exc.__traceback__)
    logger.error("unhandled error", exc_info=exc)
    return _problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        type=type_of("internal"),
        detail="The error was logged; quote the request id when you report it.",
    )


def _allowed(request: Request) -> str:
    """Every method of the path; the exception only knows those of the first route with it."""
    path = route_path(request.scope)
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex is not None and route.path_regex.match(path):
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


async def _handle(connection: HTTPConnection, exc: Exception) -> Response | None:
    if not isinstance(connection, WebSocket):
        return _response(cast("Request", connection), exc)
    if connection.application_state is not WebSocketState.CONNECTING:
        await connection.close(_POLICY_VIOLATION)
    else:
        # A handshake is an HTTP request, and can be refused like one.
        request = Request({**connection.scope, "type": "http", "method": "GET"})
        await connection.send_denial_response(_response(request, exc))
    return None


def install_problem_handlers(app: FastAPI) -> None:
    for category in (DomainError, RequestValidationError, HTTPException):
        app.add_exception_handler(category, _handle)  # type: ignore[arg-type]  # for both kinds


class ProblemMiddleware:
    """Answers what was raised outside the routes, and every defect, as a problem.

    Starlette would answer a defect outside all middleware, that is without the request id, the
    security headers and the CORS headers, so that a browser could not even read the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._refusing_handshakes(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noting_start)
        except Exception as exc:
            if started:
                # Nothing can be taken back; the server closes the connection.
                raise
            await _response(Request(scope, receive), exc)(scope, receive, send)

    async def _refusing_handshakes(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What middleware raises; the routes' own errors do not come this far."""
        try:
            await self.app(scope, receive, send)
        except (DomainError, HTTPException) as exc:
            await _handle(WebSocket(scope, receive, send), exc)
