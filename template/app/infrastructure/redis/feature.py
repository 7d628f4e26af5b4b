from asyncio import gather
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, ReadinessCheck, State
from app.core.operations import Operations

from .clients import RedisClients, redis_clients_of
from .outage import FAILURES
from .settings import RedisSettings


def feature(settings: RedisSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        clients = RedisClients(settings, Operations(state["extensions"]))
        # Readiness asks it from the start.
        clients.of()
        try:
            yield {"redis_clients": clients}
        finally:
            await clients.aclose()

    @asynccontextmanager
    async def serving(state: State) -> AsyncGenerator[None]:
        redis_clients_of(state).load()
        yield

    return Feature(
        name="redis",
        lifespan=lifespan,
        serving=serving,
        extensions=(FAILURES,),
        # Who uses it says what happens without it; no request fails for its absence alone.
        readiness=(ReadinessCheck(name="redis", check=_check, is_required=False),),
    )


async def _check(state: State) -> None:
    await gather(*(client.ping() for client in redis_clients_of(state)))
