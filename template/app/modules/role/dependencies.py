from collections.abc import AsyncGenerator
from typing import Annotated, cast

from fastapi import Depends, Security
from fastapi.params import Depends as DependsParam
from starlette.requests import HTTPConnection

from app.infrastructure.database.session import ReadSessionDep, SessionDep, database_of
from app.infrastructure.security.context import current_origin
from app.infrastructure.security.dependencies import SecurityEventsDep, events_of
from app.modules.user.authentication import Caller
from app.modules.user.dependencies import (
    CurrentUserDep,
    UserReaderDep,
    UserServiceDep,
    authentication_of,
    extensions_of,
    require_caller,
)
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import Policy, rank_of

from .crud import RoleCRUD
from .errors import PermissionNotHeldError, RankTooLowError, RoleOutrankedError
from .permissions import MANAGE_ROLES
from .service import Manager, RoleReader, RoleService

# The user module records by itself that an account is not below somebody.
_REFUSALS = (PermissionNotHeldError, RankTooLowError, RoleOutrankedError)


async def record_refusals(connection: HTTPConnection) -> AsyncGenerator[None]:
    """Whoever tries to gain rights is heard of, although the request is rolled back."""
    try:
        yield
    except _REFUSALS as exc:
        # The request's own transaction is over by now; see `RefusalsDep`.
        async with database_of(connection).transaction() as session:
            await events_of(connection).record(
                session,
                "unauthorized_access",
                current_origin().actor_id,
                is_warning=True,
                path=connection.url.path,
                reason=exc.code,
            )
        raise


RefusalsDep = Annotated[None, Depends(record_refusals, scope="function")]
"""To be listed before what opens a session: it is closed after that one."""


async def get_manager(
    connection: HTTPConnection,
    caller: Annotated[Caller, Security(require_caller, scopes=[MANAGE_ROLES.name])],
) -> Manager:
    held = await authentication_of(connection).held(
        connection, caller.user.id, is_superuser=caller.user.is_superuser
    )
    # A limited credential must not give away what it does not carry itself.
    return Manager(caller.user, held if caller.scopes is None else held & caller.scopes)


async def get_role_service(
    _: RefusalsDep,
    manager: Annotated[Manager, Depends(get_manager)],
    session: SessionDep,
    users: UserServiceDep,
    events: SecurityEventsDep,
    connection: HTTPConnection,
) -> RoleService:
    return RoleService(RoleCRUD(session), users, events, manager, extensions_of(connection))


async def get_role_reader(session: ReadSessionDep, users: UserReaderDep) -> RoleReader:
    return RoleReader(RoleCRUD(session), users)


RoleServiceDep = Annotated[RoleService, Depends(get_role_service)]
"""For who may manage roles."""
RoleReaderDep = Annotated[RoleReader, Depends(get_role_reader)]


def requires_rank(least: int) -> DependsParam:
    """Admit full logins of this rank or a higher one, and superusers.

    For what the hierarchy decides: `Annotated[CurrentUser, requires_rank(40)]`. What somebody may
    do is better said with `requires(PERMISSION)`, which can be given to whoever needs it.
    """

    async def require_rank(
        _: RefusalsDep, user: CurrentUserDep, connection: HTTPConnection
    ) -> CurrentUser:
        if not user.is_superuser:
            policies = extensions_of(connection).of(Policy)
            async with database_of(connection).reading() as session:
                rank = await rank_of(session, policies, user.id)
            if rank < least:
                raise RankTooLowError
        return user

    return cast("DependsParam", Depends(require_rank))
