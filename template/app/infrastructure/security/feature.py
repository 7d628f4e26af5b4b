from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State

from .passwords import PasswordHasher
from .settings import AuthSettings, SecretSettings
from .tokens import AccessTokens


def feature(secret: SecretSettings, settings: AuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        yield {"passwords": PasswordHasher(), "tokens": AccessTokens(secret, settings)}

    return Feature(name="security", lifespan=lifespan)
