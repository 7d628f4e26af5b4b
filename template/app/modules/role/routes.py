from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import Page, PageQuery, page_of
from app.modules.common.problems import raises
from app.modules.user.dependencies import authentication_of, requires
from app.modules.user.errors import (
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    UserNotFoundError,
)
from app.modules.user.models import CurrentUser
from app.modules.user.permissions import READ_PROFILE, READ_USERS, Permission

from .dependencies import RoleReaderDep, RoleServiceDep
from .errors import (
    PermissionNotHeldError,
    RoleInUseError,
    RoleNameTakenError,
    RoleNotFoundError,
    RoleOutrankedError,
    UnknownPermissionError,
    UnknownRoleError,
)
from .models import Role
from .permissions import READ_ROLES
from .schemas import (
    Dashboard,
    PermissionRead,
    RoleCreate,
    RoleRead,
    RoleUpdate,
    UserRoleQuery,
    UserRolesUpdate,
    UserWithRoles,
)

_GUARDED = raises(NotAuthenticatedError, DatabaseBusyError, DatabaseUnreachableError)
_READ = raises(InsufficientScopeError)
_READS_ROLES = [requires(READ_ROLES)]
_READS_BOTH = [requires(READ_USERS, READ_ROLES)]

router = PrefixRouter(prefix="/roles", tags=["roles"], responses=_GUARDED)
permission_router = PrefixRouter(prefix="/permissions", tags=["roles"], responses=_GUARDED)
user_router = PrefixRouter(prefix="/users", tags=["roles"], responses=_GUARDED)
admin_router = PrefixRouter(prefix="/admin", tags=["admin"], responses=_GUARDED)


@permission_router.get(
    "", response_model=list[PermissionRead], dependencies=_READS_ROLES, responses=_READ
)
async def list_permissions(connection: Request) -> list[Permission]:
    """List all permissions there are; a role can have those that are not general."""
    return list(authentication_of(connection).permissions.values())


@router.post(
    "",
    response_model=RoleRead,
    status_code=HTTPStatus.CREATED,
    responses=raises(
        InsufficientScopeError,
        RoleOutrankedError,
        PermissionNotHeldError,
        RoleNameTakenError,
        UnknownPermissionError,
    ),
)
async def create_role(
    roles: RoleServiceDep, data: RoleCreate, request: Request, response: Response
) -> Role:
    """Make a role of a lower rank than your own, from permissions that you hold."""
    role = await roles.create(data)
    response.headers["Location"] = request.url_for("read_role", role_id=role.id).path
    return role


@router.get("", response_model=Page[RoleRead], dependencies=_READS_ROLES, responses=_READ)
async def list_roles(
    roles: RoleReaderDep, query: Annotated[PageQuery, Query()]
) -> dict[str, object]:
    """List roles, the highest rank first."""
    return page_of(query, *await roles.page(query))


@router.get(
    "/{role_id:uuid}",
    response_model=RoleRead,
    dependencies=_READS_ROLES,
    responses=raises(InsufficientScopeError, RoleNotFoundError),
)
async def read_role(roles: RoleReaderDep, role_id: UUID) -> Role:
    """Read a role."""
    return await roles.get(role_id)


@router.patch(
    "/{role_id:uuid}",
    response_model=RoleRead,
    responses=raises(
        InsufficientScopeError,
        RoleOutrankedError,
        PermissionNotHeldError,
        RoleNotFoundError,
        RoleNameTakenError,
        UnknownPermissionError,
    ),
)
async def update_role(roles: RoleServiceDep, role_id: UUID, data: RoleUpdate) -> Role:
    """Change the fields that are present and leave the others alone.

    It counts at once, for everybody who has the role. What you add to its `permissions` you must
    hold yourself.
    """
    return await roles.update(role_id, data)


@router.delete(
    "/{role_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(InsufficientScopeError, RoleOutrankedError, RoleNotFoundError, RoleInUseError),
)
async def delete_role(roles: RoleServiceDep, role_id: UUID) -> None:
    """Delete a role that nobody has any more."""
    await roles.delete(role_id)


@user_router.get("/me/roles", response_model=list[RoleRead], responses=_READ)
async def list_own_roles(
    user: Annotated[CurrentUser, requires(READ_PROFILE)], roles: RoleReaderDep
) -> object:
    """List the roles you have, and what they permit."""
    return await roles.of_user(user.id)


@user_router.get(
    "/{user_id:uuid}/roles",
    response_model=list[RoleRead],
    dependencies=_READS_ROLES,
    responses=raises(InsufficientScopeError, UserNotFoundError),
)
async def list_user_roles(roles: RoleReaderDep, user_id: UUID) -> object:
    """List the roles of an account."""
    return await roles.of_user(user_id)


@user_router.put(
    "/{user_id:uuid}/roles",
    response_model=list[RoleRead],
    responses=raises(
        InsufficientScopeError,
        OutrankedError,
        RoleOutrankedError,
        PermissionNotHeldError,
        UserNotFoundError,
        UnknownRoleError,
    ),
)
async def replace_user_roles(roles: RoleServiceDep, user_id: UUID, data: UserRolesUpdate) -> object:
    """Give an account these roles and take all others; it counts at once.

    Not your own account. The account and the roles that you give must be below your rank, and
    what such a role permits you must hold yourself.
    """
    return await roles.replace(user_id, data.roles)


@admin_router.get(
    "/users", response_model=Page[UserWithRoles], dependencies=_READS_BOTH, responses=_READ
)
async def list_users_with_roles(
    roles: RoleReaderDep, query: Annotated[UserRoleQuery, Query()]
) -> dict[str, object]:
    """List accounts with their roles, newest first."""
    return page_of(query, *await roles.users_page(query))


@admin_router.get("/dashboard", dependencies=_READS_BOTH, responses=_READ)
async def read_dashboard(roles: RoleReaderDep) -> Dashboard:
    """Count accounts, logins and roles."""
    return await roles.dashboard()
