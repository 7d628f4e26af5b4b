from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from app.core.feature import Feature, State
from app.core.late import Late

from .context import OriginMiddleware
from .events import EVENTS, SecurityEvents
from .keys import Keyring
from .passwords import PasswordHasher
from .settings import AuthSettings, SecretSettings

if TYPE_CHECKING:
    from .tokens import AccessTokens


def feature(secret: SecretSettings, settings: AuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        keyring = Keyring(secret)

        def make_tokens() -> "AccessTokens":
            from .tokens import AccessTokens  # noqa: PLC0415 (late)

            return AccessTokens(keyring, settings)

        yield {
            "keyring": keyring,
            "passwords": PasswordHasher(),
            "tokens": Late(make_tokens),
            "events": SecurityEvents(state["extensions"]),
            "auth_settings": settings,
        }

    return Feature(
        name="security",
        lifespan=lifespan,
        middleware=(Middleware(OriginMiddleware),),
        extensions=(EVENTS,),
    )
