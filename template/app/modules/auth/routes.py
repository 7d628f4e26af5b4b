from http import HTTPStatus
from typing import Annotated, cast
from uuid import UUID

from fastapi import Form, Response
from starlette.requests import HTTPConnection

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.infrastructure.security.dependencies import tokens_of
from app.modules.common.problems import raises
from app.modules.throttle.errors import TooManyAttemptsError
from app.modules.user.dependencies import (
    CallerDep,
    PasswordCheckDep,
    RecentCallerDep,
    UserServiceDep,
    requires,
)
from app.modules.user.errors import (
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    RecentLoginRequiredError,
    UserNotFoundError,
    WeakPasswordError,
    WrongPasswordError,
)
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import MANAGE_USERS

from .dependencies import (
    AuthServiceDep,
    LoginFlowDep,
    LoginSessionReaderDep,
    LoginSessionsDep,
    RefreshTokensDep,
)
from .errors import (
    InvalidCredentialsError,
    InvalidRefreshTokenError,
    InvalidScopeError,
    SessionNotFoundError,
)
from .schemas import (
    ConfirmRequest,
    JsonWebKeys,
    LoginForm,
    PasswordChange,
    RefreshRequest,
    SessionRead,
    TokenRead,
)
from .steps import Login
from .tokens import TokenGrant

_DATABASE = raises(DatabaseBusyError, DatabaseUnreachableError)
_GUARDED = (NotAuthenticatedError, InsufficientScopeError)
_RECENT = (*_GUARDED, RecentLoginRequiredError)

router = PrefixRouter(prefix="/auth", tags=["auth"], responses=_DATABASE)
user_router = PrefixRouter(prefix="/users", tags=["users"], responses=_DATABASE)
key_router = PrefixRouter(prefix="/.well-known", tags=["auth"])


@router.post(
    "/token",
    response_model=TokenRead,
    response_model_exclude_none=True,
    responses=raises(InvalidCredentialsError, InvalidScopeError, TooManyAttemptsError),
)
async def log_in(
    auth: AuthServiceDep,
    flow: LoginFlowDep,
    form: Annotated[LoginForm, Form()],
    response: Response,
) -> TokenRead:
    """Log in with a username or an e-mail address, for an access token and a refresh token."""
    user = await auth.authenticate(form.username, form.password)
    scopes = await flow.scopes(form.scope, user)
    login = Login(
        user_id=user.id,
        methods=frozenset({"pwd"}),
        grant=TokenGrant.name,
        scopes=scopes,
        password_hash=user.hashed_password,
    )
    return cast("TokenRead", await flow.complete(login, response))


@router.post(
    "/refresh",
    response_model_exclude_none=True,
    responses=raises(InvalidRefreshTokenError),
)
async def refresh_tokens(tokens: RefreshTokensDep, data: RefreshRequest) -> TokenRead:
    """Exchange a refresh token, which is good for one exchange, for new tokens."""
    return await tokens.exchange(data.refresh_token)


@router.post("/logout", status_code=HTTPStatus.NO_CONTENT, responses=raises(*_GUARDED))
async def log_out(sessions: LoginSessionsDep, caller: CallerDep) -> None:
    """End this login: its access and refresh tokens count no more."""
    if caller.session_id is not None:
        await sessions.log_out(caller.session_id, caller.user.id)


@router.post("/logout-everywhere", status_code=HTTPStatus.NO_CONTENT, responses=raises(*_RECENT))
async def log_out_everywhere(sessions: LoginSessionsDep, caller: RecentCallerDep) -> None:
    """End all your logins, on every device."""
    await sessions.revoke_all(caller.user.id)


@router.get("/sessions", response_model=list[SessionRead], responses=raises(*_GUARDED))
async def list_own_sessions(
    sessions: LoginSessionReaderDep, caller: CallerDep
) -> list[SessionRead]:
    """List your logins, newest first; there are never many."""
    read = [SessionRead.model_validate(it) for it in await sessions.live_of(caller.user.id)]
    return [it.model_copy(update={"is_current": it.id == caller.session_id}) for it in read]


@router.delete(
    "/sessions/{session_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_RECENT, SessionNotFoundError),
)
async def revoke_own_session(
    sessions: LoginSessionsDep, caller: RecentCallerDep, session_id: UUID
) -> None:
    """End one of your logins. Not by an old one: whoever stole it must not keep you out."""
    await sessions.revoke(caller.user.id, session_id)


@router.post(
    "/confirm",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, WrongPasswordError, TooManyAttemptsError),
)
async def confirm_login(
    flow: LoginFlowDep,
    check: PasswordCheckDep,
    caller: CallerDep,
    data: ConfirmRequest,
    response: Response,
) -> None:
    """Prove again who you are, for what asks for a recent login."""
    await check.confirm(caller.user.id, data.current_password)
    if caller.session_id is not None:
        login = Login(user_id=caller.user.id, methods=frozenset({"pwd"}))
        await flow.confirm(login, caller.session_id, response)


@router.post(
    "/change-password",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, WrongPasswordError, WeakPasswordError, TooManyAttemptsError),
)
async def change_own_password(
    auth: AuthServiceDep,
    flow: LoginFlowDep,
    caller: CallerDep,
    data: PasswordChange,
    response: Response,
) -> None:
    """Change your password. All your other logins end."""
    await auth.change_password(
        caller.user.id, data.current_password, data.new_password, keep=caller.session_id
    )
    if caller.session_id is not None:
        await flow.renew(caller.session_id, response)


@user_router.post(
    "/{user_id:uuid}/unlock",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, UserNotFoundError, OutrankedError),
)
async def unlock_user(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)],
    users: UserServiceDep,
    auth: AuthServiceDep,
    user_id: UUID,
) -> None:
    """Let an account below yours log in again that too many failures have locked."""
    user = await users.get_managed(user_id, by=caller)
    await auth.unlock(users.users.session, user.id)


@user_router.delete(
    "/{user_id:uuid}/sessions",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_GUARDED, UserNotFoundError, OutrankedError),
)
async def revoke_sessions(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)],
    users: UserServiceDep,
    sessions: LoginSessionsDep,
    user_id: UUID,
) -> None:
    """End all logins of an account below yours."""
    await sessions.revoke_all((await users.get_managed(user_id, by=caller)).id)


@key_router.get("/jwks.json")
async def read_signing_keys(connection: HTTPConnection) -> JsonWebKeys:
    """The public keys of the access tokens; none while AUTH_ALGORITHM=HS256 keeps them secret."""
    return JsonWebKeys.model_validate({"keys": tokens_of(connection).public_keys()})
