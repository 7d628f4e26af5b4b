from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.middleware import Middleware

from app.core.feature import Feature, State, late_extension, late_router
from app.core.openapi import OpenAPIExtension
from app.infrastructure.http.settings import CorsSettings
from app.modules.auth.steps import Grant, SessionRenewal

from .authentication import CookieAuthenticator
from .cookie import SessionCookie
from .csrf import CsrfTokens
from .middleware import DeadCookieMiddleware
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
        routers=(late_router(__package__, "/session"),),
        lifespan=lifespan,
        middleware=(Middleware(DeadCookieMiddleware, cookie=cookie),),
        extensions=(
            authenticator,
            late_extension((Grant, SessionRenewal), __package__, "grant.CookieGrant", cookie),
            IdlePurge(),
            late_extension(OpenAPIExtension, __package__, "openapi.CsrfScheme", cookie),
        ),
    )
