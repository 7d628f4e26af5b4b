from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.core.feature import State

from .cache import Cache


def cache_of(state: State) -> Cache:
    """What the feature's lifespan opened."""
    return cast("Cache", state["cache"])


async def get_cache(connection: HTTPConnection) -> Cache:
    return cache_of(connection.scope["state"])


CacheDep = Annotated[Cache, Depends(get_cache)]
