import inspect
import json
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import Depends, Header, HTTPException, params
from fastapi.concurrency import run_in_threadpool
from fastapi.datastructures import DefaultPlaceholder
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response

from app.core.errors import DomainError
from app.core.late import Late
from app.core.routing import RouteRequirement
from app.infrastructure.database.after_commit import after_rollback
from app.infrastructure.database.session import SessionDep, database_of
from app.modules.user.dependencies import IdentifiedCallerDep
from app.modules.user.errors import NotAuthenticatedError

from .crud import Claim
from .errors import IdempotencyKeyAmbiguousError, IdempotencyKeyMissingError
from .headers import HEADER, REPLAYED
from .sealing import KeptResponse
from .service import Idempotency, KeyedRequest, Outcome

# The draft wants a string of RFC 9651, in quotes; most clients send the bare text. A comma there
# would be two headers that a proxy has joined.
PATTERN = r'^("[!#-\[\]-~]{1,255}"|[!#-+\--\[\]-~]{1,255})$'
# A cookie is a credential of its moment.
_NOT_KEPT = {"set-cookie"}

KeyHeader = Annotated[
    str | None, Header(alias=HEADER, pattern=PATTERN, max_length=257, include_in_schema=False)
]


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What is to become of one request that has a key."""

    idempotency: Idempotency
    session: AsyncSession
    outcome: Outcome

    def answer(self, outcome: KeptResponse | DomainError) -> Response:
        if isinstance(outcome, DomainError):
            raise outcome
        response = Response(outcome.body, outcome.status)
        headers = (*outcome.headers, (REPLAYED.lower(), "true"))
        response.raw_headers = [(name.encode(), value.encode()) for name, value in headers]
        return response

    async def complete(self, claim: Claim, response: Response) -> None:
        body = getattr(response, "body", None)
        if body is None:
            raise TypeError(f"{type(response).__name__} has no body that could be kept")
        pairs = [(name.decode("latin-1"), value) for name, value in response.raw_headers]
        headers = tuple(
            (name, value.decode("latin-1")) for name, value in pairs if name not in _NOT_KEPT
        )
        kept = KeptResponse(response.status_code, headers, bytes(body))
        await self.idempotency.complete(self.session, claim, kept)


async def get_idempotency(connection: HTTPConnection) -> Idempotency:
    return cast("Late[Idempotency]", connection.state.idempotency)()


async def _attempt_of(request: Request) -> _Attempt | None:
    return getattr(request.state, "idempotency_attempt", None)


_AttemptDep = Annotated[_Attempt | None, Depends(_attempt_of)]


class IdempotentRoute(APIRoute):
    """Keeps the answer to a POST while its transaction is open; other methods stay as they are."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[params.Depends] | None = None,
        methods: set[str] | list[str] | None = None,
        **options: Any,  # noqa: ANN401 (handed through)
    ) -> None:
        listed = list(dependencies or ())
        asking = [it for it in listed if isinstance(it.dependency, KeyedOperation)]
        others = [it for it in listed if it not in asking]
        self.is_keyed = bool(asking) and set(methods or ()) == {"POST"}
        if self.is_keyed:
            _refuse_streams(path, endpoint, options.get("response_class"))
            endpoint = _answered_once(endpoint)
            # That of the route goes before that of its router, and both before whatever may use
            # the session: the claim is a transaction of its own.
            others = [asking[-1], *others]
            operation = cast("KeyedOperation", asking[-1].dependency)
            extra = options.get("openapi_extra") or {}
            parameters = [*extra.get("parameters", []), operation.parameter]
            options["openapi_extra"] = {**extra, "parameters": parameters}
        super().__init__(path, endpoint, dependencies=others, methods=methods, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if not self.is_keyed:
            return handle

        async def handle_once(request: Request) -> Response:
            if HEADER in request.headers:
                await _keep_body(request)
            response = await handle(request)
            attempt = await _attempt_of(request)
            if attempt is not None and isinstance(attempt.outcome, Claim):
                await attempt.complete(attempt.outcome, response)
            return response

        return handle_once


class KeyedOperation(RouteRequirement):
    route_class = IdempotentRoute

    def __init__(self, *, is_required: bool) -> None:
        self.is_required = is_required

    @property
    def parameter(self) -> dict[str, Any]:
        return {
            "name": HEADER,
            "in": "header",
            "required": self.is_required,
            "description": "Of your choice, best a random UUID. A repeat with the same key and the "
            f"same content gets the first answer again, with `{REPLAYED}: true`.",
            "schema": {"type": "string", "pattern": PATTERN, "maxLength": 257},
        }

    async def __call__(
        self,
        request: Request,
        caller: IdentifiedCallerDep,
        session: SessionDep,
        idempotency: Annotated[Idempotency, Depends(get_idempotency)],
        key: KeyHeader = None,
    ) -> None:
        """Claim the key, or find out why that cannot be.

        The route says so itself, after its other dependencies have let the caller in: who may not
        do it again may not read the answer either.
        """
        route = request.scope["route"]
        if not (isinstance(route, IdempotentRoute) and route.is_keyed):
            where = "the dependencies of a PrefixRouter or of one of its routes"
            raise TypeError(f"idempotent() at {route.path} must be listed in {where}")
        if key is None and not self.is_required:
            return
        if caller is None:
            raise NotAuthenticatedError
        if key is None:
            raise IdempotencyKeyMissingError
        if len(request.headers.getlist(HEADER)) > 1:
            raise IdempotencyKeyAmbiguousError
        keyed = KeyedRequest(
            user_id=caller.user.id,
            operation=f"{request.method} {route.path}",
            key=key.strip('"'),
            content=await _content(request),
        )
        database = database_of(request)
        outcome = await idempotency.begin(database, keyed)
        if isinstance(outcome, Claim):
            after_rollback(session, partial(idempotency.release, database, outcome))
        request.state.idempotency_attempt = _Attempt(idempotency, session, outcome)


def idempotent(*, is_required: bool = False) -> params.Depends:
    """Let clients repeat a POST without doing it twice, by an `Idempotency-Key` header.

    An entry of `dependencies`, of one route or of a `PrefixRouter` for all its POST routes. What
    the route does in the session of the request happens once; what it does elsewhere (a mail, a
    call of another service, background tasks of the response) is only not done for a repeat.
    Its answer is kept, and must not be a stream. What raises is undone and may be tried again.
    """
    return cast("params.Depends", Depends(KeyedOperation(is_required=is_required)))


def _refuse_streams(path: str, endpoint: Callable[..., Any], response_class: object) -> None:
    if isinstance(response_class, DefaultPlaceholder):
        response_class = response_class.value
    is_stream = isinstance(response_class, type) and issubclass(
        response_class, StreamingResponse | FileResponse
    )
    if is_stream or inspect.isgeneratorfunction(endpoint) or inspect.isasyncgenfunction(endpoint):
        raise TypeError(f"{path} streams its answer, which idempotent() cannot keep")


def _answered_once(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a route, called only for who has the claim."""
    is_async = inspect.iscoroutinefunction(endpoint)

    @wraps(endpoint)
    async def enclosed(*, idempotency_attempt: _Attempt | None, **values: Any) -> Any:  # noqa: ANN401
        if idempotency_attempt is not None:
            outcome = idempotency_attempt.outcome
            if not isinstance(outcome, Claim):
                return idempotency_attempt.answer(outcome)
        if is_async:
            return await endpoint(**values)
        return await run_in_threadpool(endpoint, **values)

    signature = inspect.signature(endpoint)
    attempt = inspect.Parameter(
        "idempotency_attempt", inspect.Parameter.KEYWORD_ONLY, annotation=_AttemptDep
    )
    added = signature.replace(parameters=[*signature.parameters.values(), attempt])
    enclosed.__signature__ = added  # type: ignore[attr-defined]
    return enclosed


async def _keep_body(request: Request) -> None:
    """Read it before FastAPI does, which would use up a form without keeping its bytes."""
    try:
        await request.body()
    except ClientDisconnect as exc:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body ended early.") from exc


async def _content(request: Request) -> str:
    scope = request.scope
    return json.dumps(
        [
            scope["path"],
            scope["query_string"].decode("latin-1"),
            request.headers.get("content-type"),
            sha256(await request.body()).hexdigest(),
        ]
    )
