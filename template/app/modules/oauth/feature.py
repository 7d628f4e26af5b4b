from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from app.core.feature import Feature, State, late_extension, late_router
from app.core.late import Late
from app.infrastructure.database.purge import Purge
from app.modules.user.privacy import PersonalData

from .settings import OAuthSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .providers import Provider


def feature(settings: OAuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(_: State) -> AsyncGenerator[State]:
        async with AsyncExitStack() as stack:

            def make() -> "Mapping[str, Provider]":
                from .asking import Asking  # noqa: PLC0415 (late)
                from .configured import configured_providers  # noqa: PLC0415 (late)

                asking = Asking(timeout_seconds=settings.timeout_seconds)
                stack.push_async_callback(asking.aclose)
                return configured_providers(settings, asking)

            yield {"oauth_providers": Late(make), "oauth_settings": settings}

    return Feature(
        name="oauth",
        routers=(late_router(__package__, "/oauth"),),
        extended_routers=lambda extensions: (
            late_router(__package__, "/oauth", "login_router", extensions),
        ),
        lifespan=lifespan,
        extensions=(
            late_extension(PersonalData, __package__, "privacy.LinkedAccountsData"),
            late_extension(Purge, __package__, "privacy.OAuthLoginsPurge"),
        ),
    )
