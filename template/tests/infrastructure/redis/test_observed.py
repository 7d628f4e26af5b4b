from collections.abc import AsyncGenerator

import pytest
from redis import ResponseError
from redis.asyncio import Redis

from app.infrastructure.redis.clients import RedisClients
from app.infrastructure.redis.settings import RedisSettings
from tests.fixtures.operations import Diary

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(real_redis_settings: RedisSettings, diary: Diary) -> AsyncGenerator[Redis]:
    clients = RedisClients(real_redis_settings, diary.operations)
    client = clients.of()
    assert client is not None
    yield client
    await clients.aclose()


class TestCommands:
    async def test_are_told_by_their_names(
        self, redis: Redis, diary: Diary, real_redis_settings: RedisSettings
    ) -> None:
        key = f"{real_redis_settings.prefix}:hunter2"
        await redis.set(key, "hunter2", ex=60)
        assert await redis.get(key) == b"hunter2"
        with pytest.raises(ResponseError):
            await redis.lpush(key, "hunter2")

        assert diary.notes == [("SET", None), ("GET", None), ("LPUSH", "ResponseError")]
        assert diary.attributes == {"db.operation.name": "LPUSH", "db.system.name": "redis"}

    async def test_in_a_pipeline_are_told_as_one(
        self, redis: Redis, diary: Diary, real_redis_settings: RedisSettings
    ) -> None:
        async with redis.pipeline(transaction=True) as pipeline:
            pipeline.incr(f"{real_redis_settings.prefix}:count")
            pipeline.incr(f"{real_redis_settings.prefix}:count")
            assert await pipeline.execute() == [1, 2]

        assert diary.notes == [("PIPELINE", None)]
