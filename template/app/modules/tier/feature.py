from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of, late_extension, late_router
from app.core.openapi import OpenAPIExtension
from app.modules.user.privacy import PersonalData

from .limits import TierLimits
from .permissions import MANAGE_TIERS, READ_TIERS
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
        routers=(
            late_router(__package__, "/tiers"),
            late_router(__package__, "/users", "user_router"),
        ),
        lifespan=lifespan,
        commands={"tier": commands_of(__package__)},
        extensions=(
            READ_TIERS,
            MANAGE_TIERS,
            TierSource(),
            late_extension(PersonalData, __package__, "privacy.TierData"),
            late_extension(OpenAPIExtension, __package__, "openapi.RouteEnum"),
        ),
    )
