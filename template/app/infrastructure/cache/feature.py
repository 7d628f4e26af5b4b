from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State, commands_of
from app.infrastructure.redis.clients import redis_clients_of
from app.infrastructure.redis.settings import RedisSettings

from .http import ConditionalMiddleware
from .measures import CacheMeasures
from .opening import open_cache
from .settings import CacheSettings


def feature(settings: CacheSettings, redis: RedisSettings) -> Feature:
    """Without a readiness check: that of Redis says whether this one's server answers."""

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {"cache": open_cache(settings, redis_clients_of(state))}

    is_shared = (settings.redis_url or redis.url) is not None
    return Feature(
        name="cache",
        lifespan=lifespan,
        middleware=(Middleware(ConditionalMiddleware),),
        extensions=(CacheMeasures(),),
        commands={"cache": commands_of(__package__, is_shared=is_shared)},
    )
