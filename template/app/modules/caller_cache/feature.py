from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State
from app.infrastructure.redis.clients import redis_clients_of

from .memory import RedisCallerMemory
from .settings import CallerCacheSettings


def feature(settings: CallerCacheSettings) -> Feature:
    memory = RedisCallerMemory(settings.ttl_seconds)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        clients = redis_clients_of(state)
        memory.open(clients, clients.of())
        yield {}
        memory.close()

    return Feature(name="caller_cache", lifespan=lifespan, extensions=(memory,))
