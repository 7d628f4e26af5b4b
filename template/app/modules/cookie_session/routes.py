from http import HTTPStatus
from typing import cast

from fastapi import Depends, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.auth.dependencies import AuthServiceDep, LoginFlowDep, LoginSessionsDep
from app.modules.auth.errors import InvalidCredentialsError
from app.modules.auth.steps import Login
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.errors import NotAuthenticatedError

from .authentication import CookieAuthenticator
from .dependencies import (
    CsrfTokensDep,
    FoundSessionDep,
    OptionalSessionDep,
    SessionCookieDep,
    require_own_page,
)
from .errors import CsrfError, ForeignOriginError
from .grant import CookieGrant
from .schemas import SessionLogin, SessionRequest

router = PrefixRouter(
    prefix="/session",
    tags=["auth"],
    responses=raises(DatabaseBusyError, DatabaseUnreachableError),
)


@router.post(
    "",
    response_model=SessionLogin,
    dependencies=[Depends(require_own_page)],
    responses=raises(InvalidCredentialsError, ForeignOriginError, TooManyAttemptsError),
)
async def open_session(
    auth: AuthServiceDep, flow: LoginFlowDep, data: SessionRequest, response: Response
) -> SessionLogin:
    """Log a browser in with a username or an e-mail address; the session is in a cookie.

    Its session before ends. Send the `csrf_token` as `X-CSRF-Token` with every request that changes
    something.
    """
    user = await auth.authenticate(data.username, data.password)
    login = Login(
        user_id=user.id,
        methods=frozenset({"pwd"}),
        grant=CookieGrant.name,
        password_hash=user.hashed_password,
    )
    return cast("SessionLogin", await flow.complete(login, response))


@router.get(
    "",
    responses=raises(NotAuthenticatedError),
    openapi_extra={"security": [{CookieAuthenticator.scheme_name: []}]},
)
async def read_session(tokens: CsrfTokensDep, found: FoundSessionDep) -> SessionLogin:
    """Read the browser's session and its CSRF token: for a page that has just loaded."""
    return SessionLogin(csrf_token=tokens.of(found.session_id), expires_at=found.expires_at)


@router.delete("", status_code=HTTPStatus.NO_CONTENT, responses=raises(CsrfError))
async def close_session(
    found: OptionalSessionDep,
    sessions: LoginSessionsDep,
    cookie: SessionCookieDep,
    response: Response,
) -> None:
    """Log the browser out, also where its session is over already.

    What our pages have stored in it goes too.
    """
    if found is not None:
        await sessions.log_out(found.session_id, found.user.id)
    cookie.clear(response)
    # Nothing of ours is in its cache, and `cookies` would reach other hosts of the domain.
    response.headers["Clear-Site-Data"] = '"storage"'
