from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of, late_router
from app.infrastructure.security.settings import AuthSettings
from app.modules.throttle.service import AttemptsPurge

from .authentication import Authentication, SecuritySchemes
from .permissions import MANAGE_USERS, READ_PROFILE, READ_USERS, WRITE_PROFILE
from .principals import CallerPrincipals


def feature(settings: AuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {
            "authentication": Authentication(
                state["extensions"], recent_seconds=settings.recent_login_seconds
            )
        }

    return Feature(
        name="user",
        routers=(late_router(__package__, "/users"),),
        lifespan=lifespan,
        commands={"user": commands_of(__package__)},
        extensions=(
            READ_PROFILE,
            WRITE_PROFILE,
            READ_USERS,
            MANAGE_USERS,
            CallerPrincipals(),
            SecuritySchemes(),
            AttemptsPurge(),
        ),
    )
