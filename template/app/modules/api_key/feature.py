from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State, late_extension, late_router
from app.core.openapi import OpenAPIExtension
from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .authenticator import ApiKeyAuthenticator
from .middleware import UsageMiddleware
from .permissions import MANAGE_API_KEYS
from .settings import ApiKeySettings
from .usage import UsageLog


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
        routers=(
            late_router(__package__, "/api-keys"),
            late_router(__package__, "/users", "user_router"),
        ),
        lifespan=lifespan,
        settle=settle,
        middleware=(Middleware(UsageMiddleware),),
        extensions=(
            MANAGE_API_KEYS,
            ApiKeyAuthenticator(),
            late_extension(OpenAPIExtension, __package__, "openapi.KnownScopes"),
            late_extension(Purge, __package__, "retention.UsagePurge", settings),
            late_extension(PersonalData, __package__, "privacy.ApiKeysData"),
        ),
    )
