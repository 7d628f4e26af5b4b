from typing import Annotated, cast

from fastapi import Depends
from starlette.requests import HTTPConnection

from app.infrastructure.http.origins import is_from_us
from app.infrastructure.security.context import name_actor
from app.modules.user.errors import NotAuthenticatedError

from .authentication import CookieAuthenticator, csrf_tokens_of
from .cookie import SessionCookie
from .crud import FoundSession
from .csrf import CsrfTokens
from .errors import ForeignOriginError


def _authenticator_of(connection: HTTPConnection) -> CookieAuthenticator:
    return cast("CookieAuthenticator", connection.state.cookie_authenticator)


async def get_session_cookie(connection: HTTPConnection) -> SessionCookie:
    return _authenticator_of(connection).cookie


async def get_csrf_tokens(connection: HTTPConnection) -> CsrfTokens:
    return csrf_tokens_of(connection)


async def require_own_page(connection: HTTPConnection) -> None:
    """No other site may log a browser in: whoever then uses it would do so in a foreign account.

    That only JSON is taken keeps forms out, and CORS scripts; this one does not depend on either.
    """
    if not is_from_us(connection, _authenticator_of(connection).trusted):
        raise ForeignOriginError


async def require_session(connection: HTTPConnection) -> FoundSession:
    """The one that the cookie belongs to, whatever other credential there is."""
    authenticator = _authenticator_of(connection)
    token = authenticator.presented(connection)
    if token is None:
        raise NotAuthenticatedError
    found = await authenticator.recognize(connection, token)
    name_actor(found.user.id)
    return found


async def optional_session(connection: HTTPConnection) -> FoundSession | None:
    try:
        return await require_session(connection)
    except NotAuthenticatedError:
        return None


SessionCookieDep = Annotated[SessionCookie, Depends(get_session_cookie)]
CsrfTokensDep = Annotated[CsrfTokens, Depends(get_csrf_tokens)]
FoundSessionDep = Annotated[FoundSession, Depends(require_session)]
OptionalSessionDep = Annotated[FoundSession | None, Depends(optional_session)]
"""None where the session is over."""
