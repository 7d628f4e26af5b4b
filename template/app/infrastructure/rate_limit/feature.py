from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State
from app.infrastructure.redis.clients import redis_clients_of

from .limiter import DECISIONS, LIMIT, REMAINING, RESET, RateLimiter
from .middleware import RateLimitMiddleware
from .redis_store import RedisStore
from .refusals import RateLimitErrors
from .settings import RateLimitSettings
from .stores import LimitStore, MemoryStore


def feature(settings: RateLimitSettings) -> Feature:
    if not settings.enabled:
        return Feature(name="rate_limit")

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {"rate_limiter": RateLimiter(_store(state, settings), settings, state["extensions"])}

    return Feature(
        name="rate_limit",
        lifespan=lifespan,
        middleware=(Middleware(RateLimitMiddleware),),
        extensions=(RateLimitErrors(), DECISIONS),
        exposed_headers=(LIMIT, REMAINING, RESET),
    )


def _store(state: State, settings: RateLimitSettings) -> LimitStore:
    clients = redis_clients_of(state)
    client = clients.of(settings.redis_url)
    if client is None:
        return MemoryStore()
    return RedisStore(client, clients.key, timeout_seconds=settings.timeout_seconds)
