from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of

from .limits import TierLimits
from .openapi import RouteEnum
from .permissions import MANAGE_TIERS, READ_TIERS
from .privacy import TierData
from .routes import router, user_router
from .settings import TierSettings
from .source import TierSource


def feature(settings: TierSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {
            "tier_settings": settings,
            "tier_limits": TierLimits(state["database"], settings),
        }

    return Feature(
        name="tier",
        routers=(router, user_router),
        lifespan=lifespan,
        commands={"tier": commands_of(__package__)},
        extensions=(READ_TIERS, MANAGE_TIERS, TierSource(), TierData(), RouteEnum()),
    )
