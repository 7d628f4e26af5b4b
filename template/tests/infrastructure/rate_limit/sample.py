"""A service with limits on its routes, for two customers who are known by their tokens."""

import os
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, WebSocket
from httpx2 import AsyncClient
from pydantic import SecretStr
from starlette.requests import HTTPConnection

from app.bootstrap.factory import create_app
from app.core.feature import Feature, State
from app.core.principal import Principal, PrincipalResolver
from app.infrastructure.rate_limit.declarations import limited, unlimited
from app.infrastructure.rate_limit.feature import feature
from app.infrastructure.rate_limit.limits import RateLimit
from app.infrastructure.rate_limit.settings import RateLimitSettings
from app.infrastructure.rate_limit.sources import LimitSource
from app.infrastructure.redis import feature as redis
from app.infrastructure.redis.settings import RedisSettings
from app.modules.health import feature as health
from tests.support import FixedSettings, client_of

ADA, BOB = "ada-token", "bob-token"
ORIGIN = "https://app.example"
# A busy machine is not an outage.
PATIENT = 60

CUSTOMERS = {ADA: Principal(UUID(int=1)), BOB: Principal(UUID(int=2))}


async def known(connection: HTTPConnection) -> Principal | None:
    return CUSTOMERS.get(connection.headers.get("authorization", ""))


class Customers(PrincipalResolver):
    def is_asked_by(self, dependencies: Collection[object]) -> bool:
        return known in dependencies

    async def resolve(self, connection: HTTPConnection) -> Principal | None:
        return await known(connection)


router = APIRouter()


@router.get("/orders/{order_id}")
async def get_order(order_id: int) -> int:
    return order_id


@router.post("/orders")
async def add_order(numbers: list[int]) -> int:
    return sum(numbers)


@router.get("/mine")
async def get_mine(customer: Annotated[Principal | None, Depends(known)]) -> bool:
    return customer is not None


@router.get("/report")
@limited("2/hour", "100/day")
async def get_report() -> str:
    return "all of it"


@limited("2/hour", when_unavailable="refuse")
@router.post("/code")
async def try_code() -> bool:
    return False


@router.get("/free")
@unlimited
async def get_free() -> str:
    return "as often as you like"


@router.websocket("/news")
async def listen(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


@router.get("/{page}/pages")
async def get_page(page: str) -> str:
    return page


class FixedSource(LimitSource):
    """Says the same of every route, and remembers what it was asked."""

    def __init__(self, limits: Sequence[RateLimit] | None, error: Exception | None = None) -> None:
        self.limits = limits
        self.error = error
        self.asked: list[tuple[Principal | None, str]] = []

    async def limits_of(
        self,
        principal: Principal | None,
        route: str,
        state: State,
    ) -> Sequence[RateLimit] | None:
        assert "rate_limiter" in state
        self.asked.append((principal, route))
        if self.error is not None:
            raise self.error
        return self.limits


def sample_app(
    redis_settings: RedisSettings, settings: RateLimitSettings, *sources: LimitSource
) -> FastAPI:
    features = [
        redis.feature(redis_settings),
        feature(settings),
        Feature(name="sample", routers=(router,), extensions=(Customers(), *sources)),
    ]
    return create_app(
        FixedSettings(environment="test", cors={"origins": [ORIGIN]}),
        [*features, health.feature(features)],
    )


@asynccontextmanager
async def serving_sample(
    redis_settings: RedisSettings | None = None, *sources: LimitSource, **settings: object
) -> AsyncGenerator[AsyncClient]:
    """Three requests an hour for customers, two for others, if nothing else is said."""
    defaults = {"default": "3/hour", "anonymous": "2/hour", "timeout_seconds": PATIENT}
    chosen = RateLimitSettings.model_validate(defaults | settings)
    patient = (redis_settings or RedisSettings()).model_copy(update={"timeout_seconds": PATIENT})
    app = sample_app(patient, chosen, *sources)
    async with (
        app.router.lifespan_context(app) as state,
        client_of(app, state or {}) as client,
    ):
        yield client


def from_environment() -> FastAPI:
    """For a process of its own."""
    redis_settings = RedisSettings(
        url=SecretStr(os.environ["REDIS_URL"]),
        prefix=os.environ["REDIS_PREFIX"],
        timeout_seconds=PATIENT,
    )
    settings = RateLimitSettings(anonymous="5/hour", timeout_seconds=PATIENT)
    return sample_app(redis_settings, settings)
