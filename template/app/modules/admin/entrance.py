"""The way in: the service's own login, with all its steps."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Response
from pydantic import Field, SecretStr
from starlette.requests import HTTPConnection, Request

from app.core.extensions import Extensions
from app.infrastructure.database.session import database_of
from app.infrastructure.security.context import name_actor
from app.infrastructure.security.dependencies import events_of
from app.modules.auth.errors import InvalidCredentialsError
from app.modules.auth.flow import LoginFlow
from app.modules.auth.service import AuthService
from app.modules.auth.sessions import LoginSessions
from app.modules.auth.steps import Login, LoginCompletion
from app.modules.common.schemas import ONE_LINE, RequestSchema
from app.modules.throttle.service import Throttle
from app.modules.user.authentication import Caller
from app.modules.user.dependencies import authentication_of
from app.modules.user.models import EMAIL_LENGTH, CurrentUser
from app.modules.user.password_check import PasswordCheck
from app.modules.user.schemas import KnownPassword

from .permissions import USE_ADMIN
from .session import PanelGrant, PanelSessions

FORM_HEADER = "x-form-token"


class Credentials(RequestSchema):
    username: Annotated[str, Field(max_length=EMAIL_LENGTH), ONE_LINE]
    password: KnownPassword


class Code(RequestSchema):
    challenge: Annotated[SecretStr, Field(max_length=4000)]
    code: Annotated[SecretStr, Field(max_length=100)]


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who may be in the panel."""

    caller: Caller
    permissions: frozenset[str]
    """Everything that the account may do."""


def entry_of(request: Request) -> Entry:
    entry: Entry = request.state.admin_entry
    return entry


async def enter(request: Request, caller: Caller) -> Entry:
    """Raises `InsufficientScopeError`, and what a `Condition` asks for."""
    authentication, user = authentication_of(request), caller.user
    await authentication.authorize(request, caller, [USE_ADMIN.name])
    held = await authentication.held(request, user.id, is_superuser=user.is_superuser)
    return Entry(caller, held)


async def log_in(request: Request, given: Credentials, response: Response) -> None:
    """Raises what `AuthService.authenticate`, `LoginFlow.complete` and `enter` raise."""
    user = await password_service(request).authenticate(given.username, given.password)
    known = CurrentUser(**{name: getattr(user, name) for name in CurrentUser._fields})
    # Recorded as theirs from here on. Before anything is opened: for others nothing is to be open.
    name_actor(user.id)
    await enter(request, Caller(user=known, credential="password"))
    login = Login(
        user_id=user.id,
        methods=frozenset({"pwd"}),
        grant=PanelGrant.name,
        password_hash=user.hashed_password,
    )
    await LoginFlow(request).complete(login, response)


async def complete(request: Request, given: Code, response: Response) -> None:
    """The second half of a login that a step has halted. Raises what the step raises."""
    extensions = cast("Extensions", request.state.extensions)
    for completion in extensions.of(LoginCompletion):
        login = await completion.redeem(request, PanelGrant.name, given.challenge, given.code)
        await LoginFlow(request).complete(login, response)
        return
    raise InvalidCredentialsError


async def log_out(request: Request, caller: Caller, response: Response) -> None:
    sessions: PanelSessions = request.state.admin_sessions
    if caller.session_id is not None:
        async with database_of(request).transaction() as session:
            login_sessions = LoginSessions(session, events_of(request), request.state.auth_settings)
            await login_sessions.log_out(caller.session_id, caller.user.id)
    sessions.clear(response)


def password_check(connection: HTTPConnection) -> PasswordCheck:
    database, state = database_of(connection), connection.state
    throttle = Throttle(database, events_of(connection))
    return PasswordCheck(database, state.passwords, throttle, state.auth_settings)


def password_service(connection: HTTPConnection) -> AuthService:
    return AuthService(database_of(connection), password_check(connection), events_of(connection))
