from typing import Annotated, Any, cast

from fastapi import Depends, Security
from fastapi.params import Security as SecurityParam
from fastapi.security import OAuth2PasswordBearer, SecurityScopes
from starlette.requests import HTTPConnection

from app.core.errors import DomainError
from app.core.extensions import Extensions
from app.core.routing import API_PREFIX
from app.infrastructure.database.session import (
    DatabaseDep,
    ReadSessionDep,
    SessionDep,
    database_of,
)
from app.infrastructure.security.dependencies import (
    AuthSettingsDep,
    PasswordHasherDep,
    SecurityEventsDep,
    events_of,
)
from app.modules.throttle.service import Throttle

from .authentication import BEARER, Authentication, Caller
from .crud import UserCRUD
from .errors import NotAuthenticatedError, RecentLoginRequiredError
from .models import CurrentUser
from .password_check import PasswordCheck
from .permissions import Permission
from .service import UserReader, UserService


class _Described(OAuth2PasswordBearer):
    """Puts the lock on a route in the docs; `Authentication` is what opens it.

    Unlike FastAPI's own it lets WebSockets pass.
    """

    async def __call__(self, connection: HTTPConnection) -> None:
        pass


_described = _Described(
    # Without a leading slash: relative to the docs page, so it works behind a path prefix too.
    tokenUrl=f"{API_PREFIX}/auth/token".lstrip("/"),
    refreshUrl=f"{API_PREFIX}/auth/refresh".lstrip("/"),
    scheme_name=BEARER,
)


def authentication_of(connection: HTTPConnection) -> Authentication:
    return cast("Authentication", connection.state.authentication)


def extensions_of(connection: HTTPConnection) -> Extensions:
    return cast("Extensions", connection.state.extensions)


async def identify_caller(connection: HTTPConnection) -> Caller | None:
    """Who is calling, found out once: several may ask, before the route and in it."""
    state: Any = connection.state
    if not hasattr(state, "caller"):
        try:
            state.caller = await authentication_of(connection).identify(connection)
        except DomainError as exc:
            state.caller = exc
    if isinstance(state.caller, DomainError):
        raise state.caller
    return cast("Caller | None", state.caller)


async def require_caller(
    required: SecurityScopes,
    connection: HTTPConnection,
    _: Annotated[None, Depends(_described)],
) -> Caller:
    caller = await identify_caller(connection)
    if caller is None:
        raise NotAuthenticatedError
    # A full login that asks for nothing special needs no second look.
    if required.scopes or caller.scopes is not None:
        await authentication_of(connection).authorize(connection, caller, required.scopes)
    return caller


CallerDep = Annotated[Caller, Depends(require_caller)]
"""A full login of an active account."""


async def require_user(caller: CallerDep) -> CurrentUser:
    return caller.user


CurrentUserDep = Annotated[CurrentUser, Depends(require_user)]
"""The account of a full login, read anew: a closed account is out at once."""


def requires(*permissions: Permission) -> SecurityParam:
    """Admit who holds all of `permissions`, by whatever credential carries them.

    In place of `Depends`: `Annotated[CurrentUser, requires(READ_ORDERS)]`, or in a route's
    `dependencies`.
    """
    return cast("SecurityParam", Security(require_user, scopes=[item.name for item in permissions]))


IdentifiedCallerDep = Annotated[Caller | None, Depends(identify_caller)]
"""Whoever calls, with whatever rights: it admits nobody, the route's own dependencies do."""


async def optional_user(caller: IdentifiedCallerDep) -> CurrentUser | None:
    """Nobody if no credential was sent; a wrong one is refused here too."""
    return None if caller is None or caller.scopes is not None else caller.user


OptionalUserDep = Annotated[CurrentUser | None, Depends(optional_user)]


async def require_recent_caller(connection: HTTPConnection, caller: CallerDep) -> Caller:
    if not authentication_of(connection).is_recent(caller):
        raise RecentLoginRequiredError
    return caller


RecentCallerDep = Annotated[Caller, Depends(require_recent_caller)]
"""For what a stolen session must not do: the person proved who they are a short while ago."""


async def get_throttle(connection: HTTPConnection) -> Throttle:
    return Throttle(database_of(connection), events_of(connection))


ThrottleDep = Annotated[Throttle, Depends(get_throttle)]


async def get_password_check(
    database: DatabaseDep,
    passwords: PasswordHasherDep,
    throttle: ThrottleDep,
    settings: AuthSettingsDep,
) -> PasswordCheck:
    return PasswordCheck(database, passwords, throttle, settings)


PasswordCheckDep = Annotated[PasswordCheck, Depends(get_password_check)]


async def get_user_service(
    session: SessionDep,
    events: SecurityEventsDep,
    check: PasswordCheckDep,
    connection: HTTPConnection,
) -> UserService:
    return UserService(UserCRUD(session), events, check, extensions_of(connection))


async def get_user_reader(session: ReadSessionDep) -> UserReader:
    return UserReader(UserCRUD(session))


UserServiceDep = Annotated[UserService, Depends(get_user_service)]
UserReaderDep = Annotated[UserReader, Depends(get_user_reader)]
