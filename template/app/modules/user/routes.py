from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import Field, JsonValue

from app.core.routing import PrefixRouter
from app.infrastructure.database.errors import DatabaseBusyError, DatabaseUnreachableError
from app.modules.common.pagination import Page, PageQuery, page_of
from app.modules.common.problems import raises
from app.modules.common.schemas import ONE_LINE
from app.modules.throttle.errors import TooManyAttemptsError

from .dependencies import (
    CurrentUserDep,
    RecentCallerDep,
    UserReaderDep,
    UserServiceDep,
    require_user,
    requires,
)
from .errors import (
    EmailTakenError,
    InsufficientScopeError,
    NotAuthenticatedError,
    OutrankedError,
    RecentLoginRequiredError,
    RegistrationClosedError,
    UsernameTakenError,
    UserNotFoundError,
    WeakPasswordError,
    WrongPasswordError,
)
from .models import CurrentUser, User
from .permissions import MANAGE_USERS, READ_PROFILE, READ_USERS, WRITE_PROFILE
from .schemas import UserAdminRead, UserCreate, UserPublic, UserRead, UserUpdate

router = PrefixRouter(
    prefix="/users",
    tags=["users"],
    responses=raises(DatabaseBusyError, DatabaseUnreachableError),
)
_GUARDED = raises(NotAuthenticatedError, InsufficientScopeError)
_MANAGED = (NotAuthenticatedError, InsufficientScopeError, UserNotFoundError)


class UserQuery(PageQuery):
    search: Annotated[str, Field(max_length=100), ONE_LINE] | None = None


@router.post(
    "",
    response_model=UserRead,
    status_code=HTTPStatus.CREATED,
    responses=raises(
        RegistrationClosedError,
        EmailTakenError,
        UsernameTakenError,
        WeakPasswordError,
        TooManyAttemptsError,
    ),
)
async def register_user(users: UserServiceDep, data: UserCreate) -> User:
    """Register an account."""
    return await users.register(data)


@router.get("/me", response_model=UserRead, responses=_GUARDED)
async def read_own_account(
    user: Annotated[CurrentUser, requires(READ_PROFILE)],
) -> CurrentUser:
    """Read your own account."""
    return user


@router.patch(
    "/me",
    response_model=UserRead,
    responses=raises(
        NotAuthenticatedError,
        InsufficientScopeError,
        WrongPasswordError,
        EmailTakenError,
        UsernameTakenError,
        TooManyAttemptsError,
    ),
)
async def update_own_account(
    user: Annotated[CurrentUser, requires(WRITE_PROFILE)],
    users: UserServiceDep,
    data: UserUpdate,
) -> User:
    """Change the fields that are present and leave the others alone.

    A new `email` takes the `current_password`.
    """
    return await users.update(user.id, data, email=user.email)


@router.delete(
    "/me",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(NotAuthenticatedError, InsufficientScopeError, RecentLoginRequiredError),
)
async def close_own_account(caller: RecentCallerDep, users: UserServiceDep) -> None:
    """Close your own account. Its e-mail address and username can be registered again."""
    await users.close(caller.user.id)


@router.get("/me/export", responses=_GUARDED)
async def export_own_data(user: CurrentUserDep, users: UserServiceDep) -> dict[str, JsonValue]:
    """Take a copy of everything that is stored about you."""
    return dict(await users.export(user.id))


@router.get(
    "",
    response_model=Page[UserAdminRead],
    dependencies=[requires(READ_USERS)],
    responses=_GUARDED,
)
async def list_users(
    users: UserReaderDep, query: Annotated[UserQuery, Query()]
) -> dict[str, object]:
    """List accounts, newest first."""
    return page_of(query, *await users.page(query, query.search))


@router.get(
    "/{user_id:uuid}",
    response_model=UserPublic,
    dependencies=[Depends(require_user)],
    responses=raises(*_MANAGED),
)
async def read_user(users: UserReaderDep, user_id: UUID) -> User:
    """Read what is public about another account."""
    return await users.get(user_id)


@router.get("/{user_id:uuid}/export", responses=raises(*_MANAGED, OutrankedError))
async def export_data(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)], users: UserServiceDep, user_id: UUID
) -> dict[str, JsonValue]:
    """Take a copy of everything that is stored about an account, for the person it is about."""
    return dict(await users.export((await users.get_managed(user_id, by=caller)).id))


@router.post(
    "/{user_id:uuid}/deactivate",
    response_model=UserAdminRead,
    responses=raises(*_MANAGED, OutrankedError),
)
async def deactivate_user(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)], users: UserServiceDep, user_id: UUID
) -> User:
    """Keep somebody out, at once, until the account is activated again. Not yourself."""
    return await users.deactivate(user_id, by=caller)


@router.post(
    "/{user_id:uuid}/activate",
    response_model=UserAdminRead,
    responses=raises(*_MANAGED, OutrankedError),
)
async def activate_user(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)], users: UserServiceDep, user_id: UUID
) -> User:
    """Let somebody in again."""
    return await users.activate(user_id, by=caller)


@router.delete(
    "/{user_id:uuid}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(*_MANAGED, OutrankedError),
)
async def anonymize_user(
    caller: Annotated[CurrentUser, requires(MANAGE_USERS)], users: UserServiceDep, user_id: UUID
) -> None:
    """Close an account and erase whose it was; cannot be undone."""
    await users.anonymize(user_id, by=caller)
