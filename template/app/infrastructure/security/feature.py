from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State

from .context import OriginMiddleware
from .events import EVENTS, SecurityEvents
from .keys import Keyring
from .passwords import PasswordHasher
from .settings import AuthSettings, SecretSettings
from .tokens import AccessTokens


def feature(secret: SecretSettings, settings: AuthSettings) -> Feature:
    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        keyring = Keyring(secret)
        yield {
            "keyring": keyring,
            "passwords": PasswordHasher(),
            "tokens": AccessTokens(keyring, settings),
            "events": SecurityEvents(state["extensions"]),
            "auth_settings": settings,
        }

    return Feature(
        name="security",
        lifespan=lifespan,
        middleware=(Middleware(OriginMiddleware),),
        extensions=(EVENTS,),
    )
