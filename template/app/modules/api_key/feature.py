from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State

from .authenticator import ApiKeyAuthenticator
from .middleware import UsageMiddleware
from .openapi import KnownScopes
from .permissions import MANAGE_API_KEYS
from .privacy import ApiKeysData
from .routes import router, user_router
from .settings import ApiKeySettings
from .usage import UsageLog, UsagePurge


def feature(settings: ApiKeySettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        usage = UsageLog(state["database"], settings)
        async with usage.running():
            yield {"api_key_settings": settings, "api_key_usage": usage}

    async def settle(state: State) -> None:
        usage: UsageLog = state["api_key_usage"]
        await usage.flush()

    return Feature(
        name="api_key",
        routers=(router, user_router),
        lifespan=lifespan,
        settle=settle,
        middleware=(Middleware(UsageMiddleware),),
        extensions=(
            MANAGE_API_KEYS,
            ApiKeyAuthenticator(),
            KnownScopes(),
            UsagePurge(settings),
            ApiKeysData(),
        ),
    )
