"""A feature whose routes fail in every way there is."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, HTTPException, Query, Request, Response
from httpx2 import AsyncClient
from httpx2 import Response as Answer
from pydantic import Field, SecretStr
from starlette.middleware import Middleware
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    NotFoundError,
    ThrottledError,
    UnauthenticatedError,
    UnavailableError,
)
from app.core.feature import Feature
from app.modules.common.schemas import RequestSchema
from tests.support import FixedSettings, serving

SECRET = "hunter2-hunter2"
REQUEST_ID = "request-0001"


class UnknownCookError(UnauthenticatedError):
    code, title = "kettle.unknown_cook", "Unknown cook"


class NotYoursError(ForbiddenError):
    code, title = "kettle.not_yours", "Not yours"


class NoKettleError(NotFoundError):
    code, title = "kettle.missing", "No kettle"


class BoilingError(ConflictError):
    code, title = "kettle.boiling", "Already boiling"


class CoolingError(ConflictError):
    code, title = "kettle.cooling", "Still cooling"
    retry_after_seconds = 60


class TooOftenError(ThrottledError):
    code, title = "kettle.too_often", "Too often"
    headers: Mapping[str, str] = {"X-Kettle": "hot"}


class NoPowerError(UnavailableError):
    code, title = "kettle.no_power", "No power"


class CategorylessError(DomainError):
    code, title = "kettle.broken", "Broken"


ERRORS: dict[str, Exception] = {
    "unknown": UnknownCookError("Say who you are."),
    "not-yours": NotYoursError("It is Ada's."),
    "missing": NoKettleError("No kettle has the number 7."),
    "boiling": BoilingError("It is on.", litres=2, since="noon"),
    "cooling": CoolingError("It is hot."),
    "too-often": TooOftenError("Wait.", retry_after_seconds=30, limit=3),
    "no-power": NoPowerError("The grid is down.", retry_after_seconds=5, region="north"),
    "http-bare": HTTPException(418),
    "http-detail": HTTPException(409, "Two of them."),
    "http-headers": HTTPException(
        401, "Who?", headers={"WWW-Authenticate": 'Basic realm="x"', "Retry-After": "7"}
    ),
    "http-data": HTTPException(400, {"why": ["a", "b"]}),
    "defect": ZeroDivisionError(f"{SECRET} divided by zero"),
    "category": CategorylessError("No category."),
}


class Recipe(RequestSchema):
    name: Annotated[str, Field(max_length=5)]
    password: Annotated[SecretStr, Field(min_length=20)]


router = APIRouter()


@router.get("/errors/{name}")
async def fail(name: str) -> None:
    raise ERRORS[name]


@router.post("/recipes")
async def add_recipe(recipe: Recipe) -> str:
    return recipe.name


@router.get("/recipes")
async def list_recipes() -> str:
    return "all of them"


@router.post("/numbers")
async def add_numbers(numbers: Annotated[list[int], Body()], unit: Annotated[int, Query()]) -> int:
    return sum(numbers) * unit


@router.get("/stream")
async def stream() -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        yield "one\n"
        raise ZeroDivisionError(SECRET)

    return StreamingResponse(lines(), media_type="text/plain")


async def plain(_: Request) -> Response:
    return Response("plain")


root = APIRouter()
root.add_route("/plain", plain)


class FailingMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/api/v1/middleware":
            raise BoilingError("Before the routes.")
        if scope["path"] == "/api/v1/middleware-defect":
            raise ZeroDivisionError(SECRET)
        await self.app(scope, receive, send)


FEATURE = Feature(
    name="kettle",
    routers=(router,),
    root_routers=(root,),
    middleware=(Middleware(FailingMiddleware),),
)


@asynccontextmanager
async def serving_kettle() -> AsyncGenerator[AsyncClient]:
    """The service with this feature alone, asked by a browser that names its requests."""
    settings = FixedSettings(environment="test", cors={"origins": ["https://app.example"]})
    async with serving(settings, [FEATURE]) as client:
        client.headers |= {"x-request-id": REQUEST_ID, "origin": "https://app.example"}
        yield client


def problem(response: Answer) -> dict[str, Any]:
    """The body, after a look at what every problem has."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == REQUEST_ID
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    body: dict[str, Any] = response.json()
    assert body["status"] == response.status_code
    assert body.pop("request_id") == REQUEST_ID
    assert body.pop("instance") == response.request.url.path
    return body
