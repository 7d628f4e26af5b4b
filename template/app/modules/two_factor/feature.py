from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.core.feature import Feature, State, commands_of, late_extension, late_router
from app.core.openapi import OpenAPIExtension
from app.infrastructure.database.purge import Purge
from app.infrastructure.security.events import SecurityEventListener
from app.infrastructure.security.settings import SecretSettings
from app.modules.auth.steps import LoginCompletion, LoginStep
from app.modules.user.permissions import Condition
from app.modules.user.privacy import PersonalData

from .factor import SecondFactor
from .permissions import RESET_TWO_FACTOR
from .settings import TwoFactorSettings


def feature(settings: TwoFactorSettings, secret: SecretSettings, *, title: str) -> Feature:
    factor = SecondFactor(settings, secret, title=title)
    condition = late_extension(Condition, __package__, "steps.TwoFactorCondition")

    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        yield {"two_factor": factor}

    return Feature(
        name="two_factor",
        routers=(
            late_router(__package__, "/two-factor"),
            late_router(__package__, "/users", "user_router"),
        ),
        extended_routers=lambda extensions: (
            late_router(__package__, "/auth", "login_router", extensions),
        ),
        lifespan=lifespan,
        commands={"two-factor": commands_of(__package__)},
        extensions=(
            RESET_TWO_FACTOR,
            late_extension(LoginStep, __package__, "steps.TwoFactorStep", factor),
            late_extension(LoginCompletion, __package__, "steps.TwoFactorCompletion", factor),
            late_extension(SecurityEventListener, __package__, "steps.PasswordListener", factor),
            late_extension(PersonalData, __package__, "privacy.TwoFactorData"),
            late_extension(Purge, __package__, "privacy.TwoFactorPurge"),
            late_extension(OpenAPIExtension, __package__, "openapi.TwoFactorProblems"),
            *((condition,) if settings.required_for_superusers else ()),
        ),
    )
