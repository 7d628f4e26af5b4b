from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State
from app.infrastructure.http.settings import CorsSettings

from .authentication import CookieAuthenticator
from .cookie import SessionCookie
from .csrf import CsrfTokens
from .grant import CookieGrant
from .middleware import DeadCookieMiddleware
from .openapi import CsrfScheme
from .routes import router
from .service import CookieSessions, IdlePurge
from .settings import SessionSettings


def feature(settings: SessionSettings, cors: CorsSettings) -> Feature:
    cookie = SessionCookie(settings)
    # Without credentials browsers keep cookies from them, and `*` names nobody.
    trusted = frozenset(cors.origins if cors.allow_credentials else ()) - {"*"}
    authenticator = CookieAuthenticator(cookie, trusted)

    @asynccontextmanager
    async def lifespan(state: State) -> AsyncGenerator[State]:
        yield {
            "cookie_authenticator": authenticator,
            "cookie_sessions": CookieSessions(
                state["database"], state["events"], state["auth_settings"], settings
            ),
            "csrf_tokens": CsrfTokens(state["keyring"]),
        }

    return Feature(
        name="cookie_session",
        routers=(router,),
        lifespan=lifespan,
        middleware=(Middleware(DeadCookieMiddleware, cookie=cookie),),
        extensions=(authenticator, CookieGrant(cookie), IdlePurge(), CsrfScheme(cookie)),
    )
