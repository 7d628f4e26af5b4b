from collections.abc import AsyncGenerator

import pytest

from app.infrastructure.cache.cache import Cache
from app.infrastructure.redis.settings import RedisSettings

from .samples import opened


@pytest.fixture
async def shared(real_redis_settings: RedisSettings) -> AsyncGenerator[Cache]:
    """On the shared server, with keys of the test's own."""
    async with opened(real_redis_settings) as cache:
        yield cache


@pytest.fixture
async def neighbour(real_redis_settings: RedisSettings) -> AsyncGenerator[Cache]:
    """Another process with the same keys: it shares nothing with `shared` but the server."""
    async with opened(real_redis_settings) as cache:
        yield cache


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncGenerator[Cache]:
    """Each of the two, for the rules that hold for both."""
    settings = RedisSettings()
    if request.param == "redis":
        settings = request.getfixturevalue("real_redis_settings")
    async with opened(settings) as cache:
        yield cache
