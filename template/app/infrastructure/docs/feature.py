import secrets
from base64 import b64decode
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from app.core.feature import Feature

from .pages import ASSETS, CONTENT_SECURITY_POLICY, redoc_page, swagger_page
from .settings import DocsSettings

Endpoint = Callable[[Request], Awaitable[Response]]


def feature(settings: DocsSettings, *, title: str, deployed: bool) -> Feature:
    is_served = settings.is_served(deployed=deployed)
    return Feature(name="docs", root_routers=(_router(settings, title),) if is_served else ())


def _router(settings: DocsSettings, title: str) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    csp = {"content-security-policy": CONTENT_SECURITY_POLICY}

    async def swagger(_: Request) -> Response:
        return HTMLResponse(swagger_page(title), headers=csp)

    async def redoc(_: Request) -> Response:
        return HTMLResponse(redoc_page(title), headers=csp)

    async def openapi(request: Request) -> Response:
        return JSONResponse(request.app.openapi())

    pages: dict[str, Endpoint] = {"/docs": swagger, "/redoc": redoc, "/openapi.json": openapi}
    for path, endpoint in pages.items():
        router.add_route(path, _guarded(endpoint, settings))
    router.add_route("/docs/assets/{name}", _asset)
    return router


async def _asset(request: Request) -> Response:
    """The libraries' own files: public, the same everywhere."""
    if (found := ASSETS.get(request.path_params["name"])) is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    path, media_type = found
    headers = {"cache-control": "public, max-age=86400"}
    return FileResponse(path, media_type=media_type, headers=headers)


def _guarded(endpoint: Endpoint, settings: DocsSettings) -> Endpoint:
    if settings.password is None:
        return endpoint
    expected = f"{settings.username}:{settings.password.get_secret_value()}".encode()

    async def guarded(request: Request) -> Response:
        if not secrets.compare_digest(_basic_credentials(request), expected):
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED,
                "The API documentation asks for DOCS_USERNAME and DOCS_PASSWORD.",
                headers={"WWW-Authenticate": 'Basic realm="API documentation"'},
            )
        return await endpoint(request)

    return guarded


def _basic_credentials(request: Request) -> bytes:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return b""
