from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of
from app.infrastructure.security.settings import SecretSettings

from .factor import SecondFactor
from .openapi import TwoFactorProblems
from .permissions import RESET_TWO_FACTOR
from .privacy import TwoFactorData, TwoFactorPurge
from .routes import login_routers, router, user_router
from .settings import TwoFactorSettings
from .steps import PasswordListener, TwoFactorCompletion, TwoFactorCondition, TwoFactorStep


def feature(settings: TwoFactorSettings, secret: SecretSettings, *, title: str) -> Feature:
    factor = SecondFactor(settings, secret, title=title)

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"two_factor": factor}

    return Feature(
        name="two_factor",
        routers=(router, user_router),
        extended_routers=login_routers,
        lifespan=lifespan,
        commands={"two-factor": commands_of(__package__)},
        extensions=(
            RESET_TWO_FACTOR,
            TwoFactorStep(factor),
            TwoFactorCompletion(factor),
            PasswordListener(factor),
            TwoFactorData(),
            TwoFactorPurge(),
            TwoFactorProblems(),
            *((TwoFactorCondition(),) if settings.required_for_superusers else ()),
        ),
    )
