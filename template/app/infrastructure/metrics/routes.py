import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from app.core.routing import PrefixRouter

from .guard import CHALLENGE, is_allowed

if TYPE_CHECKING:
    from .meter import Meter

PATH = "/metrics"


def build_router(token: SecretStr | None) -> APIRouter:
    router = PrefixRouter(prefix=PATH, include_in_schema=False)

    @router.get("")
    async def metrics(request: Request) -> Response:
        if not is_allowed(token, request.headers.get("authorization")):
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED,
                "The metrics ask for METRICS_TOKEN as a bearer token.",
                headers={"WWW-Authenticate": CHALLENGE},
            )
        meter: Meter = request.state.meter
        accept = request.headers.get("accept", "")
        content, media_type = await asyncio.to_thread(meter.expose, accept)
        return Response(content, headers={"content-type": media_type})

    return router
