"""Orders something and is killed when the answer is made, right before the commit.

Run by a test as a process of its own; it is told on standard input where and as whom.
"""

import asyncio
import json
import os
import signal
import sys

from app.infrastructure.database import feature as database
from app.infrastructure.security import feature as security
from app.modules.auth import feature as auth
from app.modules.idempotency import feature as idempotency
from app.modules.user import feature as user
from tests.support import FixedSettings, serving

from .shop import FEATURE, shop


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def order() -> None:
    told = json.load(sys.stdin)
    settings = FixedSettings(
        environment="test", database={"url": told["url"]}, secret={"key": told["secret"]}
    )
    features = [
        database.feature(settings.database, environment=settings.environment),
        security.feature(settings.secret, settings.auth),
        user.feature(settings.auth),
        auth.feature(),
        idempotency.feature(settings.idempotency),
        FEATURE,
    ]
    shop.end = die
    async with serving(settings, features) as client:
        await client.post("orders", json=told["body"], headers=told["headers"])


if __name__ == "__main__":
    asyncio.run(order())
